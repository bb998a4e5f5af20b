"""How the mailbox's pages look."""

from typing import Final

STYLE: Final = """
:root{color-scheme:light;--ink:#1d2433;--dim:#667085;--line:#e6e9ef;--blue:#2f5bea;--soft:#f5f7fb}
*{box-sizing:border-box}
body{margin:0;font:16px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif;background:var(--soft);color:var(--ink)}
a{color:inherit}
main{max-width:60rem;margin:0 auto;padding:1.5rem 1rem 4rem}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:.2rem 1rem;margin-bottom:1rem}
header h1{font-size:1.5rem;margin:0}
header h1 a{text-decoration:none}
header p{margin:0;color:var(--dim);font-size:.9rem}
.bar{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;margin-bottom:1rem}
.bar form{margin-left:auto;display:flex;gap:.4rem;flex:1 1 14rem;max-width:22rem}
.tab{padding:.35rem .8rem;border-radius:99px;text-decoration:none;color:var(--dim);font-weight:600;font-size:.9rem}
.tab[aria-current]{background:#fff;color:var(--ink);box-shadow:0 1px 3px #1d243322}
.card .tab[aria-current]{background:#eef1f6;box-shadow:none}
input,select,textarea{font:inherit;padding:.45rem .7rem;border:1px solid #cfd6e4;border-radius:8px;background:#fff;color:inherit;
 min-width:0;width:100%}
button{font:inherit;font-size:.9rem;font-weight:600;padding:.45rem .85rem;border:1px solid #cfd6e4;border-radius:8px;background:#fff;
 color:var(--ink);cursor:pointer}
button:hover{border-color:var(--blue);color:var(--blue)}
button.main{background:var(--blue);border-color:var(--blue);color:#fff}
button.bad:hover{border-color:#c0362c;color:#c0362c}
:focus-visible{outline:2px solid var(--blue);outline-offset:2px}
.card{background:#fff;border:1px solid var(--line);border-radius:14px;overflow:hidden}
.row{display:grid;grid-template-columns:2.6rem 1fr auto;gap:.1rem .9rem;padding:.8rem 1rem;text-decoration:none;
 border-bottom:1px solid var(--line)}
.row:last-child{border-bottom:0}
.row:hover{background:#fafbff}
.face{width:2.6rem;height:2.6rem;border-radius:50%;grid-row:span 2;display:grid;place-items:center;font-weight:700}
.email .face{background:#e4ebff;color:#2f4fc4}
.sms .face{background:#dcf5e8;color:#13724a}
.in .face{background:#fff0d6;color:#8a5300}
.who{font-weight:600;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.when{color:var(--dim);font-size:.85rem;white-space:nowrap}
.what{grid-column:2/4;display:flex;gap:.5rem;min-width:0;align-items:center}
.what>span:first-child{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;flex:0 1 auto}
.pre{color:var(--dim);font-weight:400}
.chip{flex:none;font-size:.74rem;font-weight:600;padding:.1rem .5rem;border-radius:99px;background:#eef1f6;color:#475067;white-space:nowrap}
.chip.good{background:#dcf5e8;color:#13724a}
.chip.warn{background:#fff0d6;color:#8a5300}
.chip.bad{background:#fde4e1;color:#a3261c}
.chips{display:flex;gap:.5rem;margin-left:auto;flex:none}
.empty{padding:3rem 1rem;text-align:center;color:var(--dim)}
h2{font-size:1.25rem;margin:0 0 .5rem;overflow-wrap:anywhere}
.part{padding:1rem 1.2rem;border-bottom:1px solid var(--line)}
.part:last-child{border-bottom:0}
dl{display:grid;grid-template-columns:auto 1fr;gap:.15rem .9rem;margin:0;font-size:.92rem}
dt{color:var(--dim)}
dd{margin:0;overflow-wrap:anywhere}
.do{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center}
.do form{display:contents}
.do .say{display:flex;gap:.5rem;flex:1 1 16rem}
iframe{display:block;width:100%;height:28rem;border:0;background:#fff}
pre{margin:0;white-space:pre-wrap;overflow-wrap:anywhere;font:14px/1.55 ui-monospace,SFMono-Regular,Menlo,monospace}
.chat{display:flex;flex-direction:column;gap:.6rem;background:#f0f3f8;padding:1.2rem}
.chat div{max-width:82%;padding:.55rem .85rem;border-radius:16px;background:#fff;white-space:pre-wrap;overflow-wrap:anywhere}
.chat .us{align-self:flex-start;border-bottom-left-radius:4px}
.chat .them{align-self:flex-end;background:#2f7d5b;color:#fff;border-bottom-right-radius:4px}
.chat div.this{outline:2px solid #9db4ff}
.chat small{display:block;opacity:.7;font-size:.74rem}
ol{list-style:none;margin:0;padding:0;font-size:.92rem}
ol li{display:flex;gap:.8rem;padding:.2rem 0}
ol time{color:var(--dim);flex:none}
.note{background:#e4ebff;border-radius:10px;padding:.6rem .9rem;margin:0 0 1rem}
.alert{background:#fff0d6}
details{margin-top:1rem}
summary{cursor:pointer;font-weight:600;color:var(--dim)}
details form{display:grid;gap:.6rem;padding:1rem 1.2rem;grid-template-columns:repeat(auto-fit,minmax(15rem,1fr));align-items:end}
label{font-size:.88rem;font-weight:600;display:grid;gap:.25rem}
label.check{display:flex;align-items:center;gap:.5rem}
label.check input{width:auto}
.older{display:block;text-align:center;padding:.9rem;color:var(--blue);font-weight:600}
.back{color:var(--dim);font-size:.9rem}
@media(max-width:34rem){main{padding:1rem .6rem 3rem}.bar form{max-width:none}
 .row{padding:.7rem .7rem}.chip.kind{display:none}iframe{height:26rem}}
"""
