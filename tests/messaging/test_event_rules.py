"""Who opens a mail, and what somebody means who answers a text."""

import time
from datetime import timedelta

import pytest

from clientway.messaging.events.rules import is_machine, keyword, provider_answers

LATER = timedelta(minutes=3)


@pytest.mark.parametrize(
    ("agent", "machine"),
    [
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 10_3_3 like Mac OS X) AppleWebKit/603.3.8 (KHTML, like Gecko) Mobile/14G60", False),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.90 Safari/537.36", False),
        # Gmail's proxy fetches when somebody looks.
        ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", False),
        # Apple's privacy protection, which fetches everything.
        ("Mozilla/5.0", True),
        ("", True),
        (None, True),
        ("Barracuda Sentinel (EE)", True),
        ("Mozilla/5.0 (compatible; bingbot/2.0)", True),
        ("Microsoft Office Existence Discovery", True),
        ("python-requests/2.31", True),
        ("Go-http-client/1.1", True),
        ("Mozilla/5.0 (X11; Linux x64) HeadlessChrome/120", True),
        ("Mozilla/5.0 (Linux; Android 14) Cubot Max 5", False),
    ],
)
def test_a_machine_is_known_by_what_it_calls_itself(agent, machine):
    assert is_machine(agent, after=LATER) is machine


def test_whoever_opens_before_anybody_could_is_a_machine():
    person = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.90 Safari/537.36"

    assert is_machine(person, after=timedelta(seconds=4.999))
    assert not is_machine(person, after=timedelta(seconds=5))


@pytest.mark.parametrize(
    "said",
    [
        "STOP", "stop", " Stop. ", "STOP!!!", "🛑 stop 🛑", "QUIT", "End", "REVOKE", "OPT OUT", "opt-out", "optout", "CANCEL", "Unsubscribe", "UNSUB", "stopall",
        "STOP ALL", "please stop", "Please stop texting me", "stop sending me these messages", "stop all the texts", "don't text me", "Don’t text me anymore",
        "do not ever contact me again", "dont message this number", "no more texts please", "remove me from your list", "take me off", "opt me out",
        "I want to opt out", "unsubscribe me now", "leave me alone", "I revoke my consent", "wrong number", "Wrong person!", "stop it now",
        "I no longer want texts from you", "quit texting", "STOP I mean it", "I don't want any more messages", "I do not wish to be contacted",
        "don't want to hear from you", "I don't want these", "please delete my number", "take my number off your list", "never call me again",
        "do not send me anything", "don't need any more reminders", "Basta", "no más",
        "STOP STOP STOP STOP STOP STOP!!!", "ＳＴＯＰ", "S.T.O.P", "s t o p", "S-T-O-P", "STOP\u200b", "Txt STOP", "reply stop", "Arrêt", "BAJA",
    ],
)  # fmt: skip
def test_whoever_says_so_in_any_words_gets_no_more_texts(said):
    assert keyword(said) == "stop"


# Design 3, §7, and what the provider takes for one of its own.
STOP_WORDS = (
    "arret", "cancel", "end", "opt-out", "optout", "quit", "remove", "stop", "td", "unsubscribe", "stopall", "stop all", "opt out", "revoke",
    "unsub", "optout all", "stop now", "please stop", "alto", "basta", "cancelar", "parar", "pare", "no mas", "no más",
)  # fmt: skip


@pytest.mark.parametrize("said", [*STOP_WORDS, "stopall it now", "stop as you were told", "unsubscribe, and don't stop there"])
def test_every_word_that_revokes_does(said):
    assert keyword(said) == keyword(said.upper()) == "stop"


@pytest.mark.parametrize(
    "said",
    [
        "See you at 5", "Stop, the carpet first, the windows then", "stopall the carpet first and the windows then", "Ok", "yes", "Thanks!", "Can you stop by the office?", "stop by at 5 please", "Don't stop sending these", "never unsubscribe me",
        "Don't forget to call me when you arrive", "Please don't hesitate to text", "I don't want to miss it", "don't want the 5pm slot", "I'll take this slot",
        "Please take my trash out too", "take this as a yes", "never want anybody else to clean", "We don't need to reschedule", "do you take my card?",
        "The bus stops here", "nonstop", "We end at six", "I will cancel the dinner so I can come", "what time?", "", "👍", "a b c", "I am stopping by", "text me when you stop", "At the end of the street",
    ],
)  # fmt: skip
def test_an_answer_is_an_answer(said):
    assert keyword(said) is None


@pytest.mark.parametrize("said", ["revoke a ", "don't a b c ", "do not want a b ", "stop all any ", "a a b b ", "a "])
def test_nobody_keeps_us_busy_with_a_long_answer(said):
    began = time.process_time()
    keyword(said * 20_000)

    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("START", "start"), ("unstop", "start"), ("Opt in", "start"), ("optin", "start"), ("Resume", "start"), ("subscribe", "start"),
        ("resubscribe", "start"), ("HELP", "help"), ("info?", "help"), ("aide", "help"),
    ],
)  # fmt: skip
def test_other_words_that_mean_something(said, meant):
    assert keyword(said) == meant


def test_the_provider_confirms_its_own_words_only():
    assert provider_answers(" Stop ")
    assert provider_answers("HELP")
    assert provider_answers("Start")
    assert provider_answers("UNSTOP")
    assert all(map(provider_answers, STOP_WORDS[:10]))
    assert not provider_answers("opt in")
    assert not provider_answers("info")
    assert not provider_answers("please stop texting me")
