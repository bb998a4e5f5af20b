"""First names that people go by, and what each may be short for."""

from collections import defaultdict
from typing import Final

_SHORT: Final = (
    "abigail:abby,gail albert:al,bert alexander:alex,al,sandy,xander alexandra:alex,sandra,lexi andrew:andy,drew anthony:tony "
    "barbara:barb benjamin:ben,benny caroline:carrie catherine:cathy,cate charles:charlie,chuck christina:tina,chrissy "
    "christine:chris,tina christopher:chris,kit daniel:dan,danny david:dave deborah:deb,debbie donald:don dorothy:dot,dottie "
    "edward:ed,eddie,ted eleanor:ellie,nell elizabeth:beth,liz,lizzie,betty,eliza francis:frank frederick:fred gabriella:gabby,ella "
    "george:georgie gregory:greg harold:harry henry:hank,harry isabella:bella,izzy jacob:jake james:jim,jimmy,jamie janet:jan "
    "jennifer:jen,jenny jessica:jess,jessie jonathan:jon john:jack,johnny joseph:joe,joey joshua:josh katherine:kate,kathy,katie,kit "
    "kenneth:ken,kenny lawrence:larry leonard:leo,len louis:lou margaret:maggie,meg,peggy matthew:matt michael:mike,mick,mikey "
    "michelle:shelly nathaniel:nate,nathan nicholas:nick nicole:nikki pamela:pam patricia:pat,patty,trish patrick:pat,paddy "
    "peter:pete philip:phil rebecca:becky richard:rich,rick,dick robert:bob,rob,bobby ronald:ron samantha:sam samuel:sam sarah:sally "
    "stephanie:steph stephen:steve steven:steve susan:sue,susie theodore:ted,theo theresa:terry,tess thomas:tom,tommy timothy:tim "
    "victoria:vicky,tori vincent:vince virginia:ginny walter:walt william:bill,billy,will,liam zachary:zach "
)
_FULL_NAMES: Final[defaultdict[str, set[str]]] = defaultdict(set)
for _entry in _SHORT.split():
    _full, _, _names = _entry.partition(":")
    for _name in (_full, *_names.split(",")):
        _FULL_NAMES[_name].add(_full)


def same(one: str, other: str) -> bool:
    """Whether two folded first names may be one: both are the full name or short for it."""
    return bool(_FULL_NAMES.get(one, {one}) & _FULL_NAMES.get(other, {other}))
