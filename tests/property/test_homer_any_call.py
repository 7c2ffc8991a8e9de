"""Whatever scripts of heplify-server call with whatever arguments, it ends, in words if it must."""

from hypothesis import given, settings
from hypothesis import strategies as st

from capture.draft import Draft
from capture.errors import ScriptError
from capture.interpret import Interpreter
from capture.revise import Reviser
from capture.scripts.folder import make_script
from capture.scripts.homer import OldScripts, load_old_scripts, old_services
from capture.scripts.lua import LuaState
from capture.scripts.services import Services
from capture.settings import FilterSettings, SipSettings
from tests.support.drafts import INVITE, a_draft

FUNCTIONS = (
    "GetHEPStruct GetSIPStruct GetHEPProtoType GetRawMessage SetRawMessage SetHEPField SetHEPField"
    " SetSIPHeader SetSIPHeader SetSIPProfile SetCustomSIPHeader SetLokiLabel"
    " HashTable HashString Logp Print pairs"
)
STRUCT_FIELDS = (
    "hep.SrcIP hep.SrcPort hep.Tsec hep.Tmsec hep.Timestamp hep.ProtoType hep.Payload hep.CID hep.SID hep.SIP"
    " hep.Version hep.NodeName hep.Vlan sip.FromUser sip.FirstMethod sip.Profile sip.CustomHeader sip.XCallID"
    " sip.Body sip.CseqVal headers.x sip.Nothing"
)
VALUES = (
    "nil true 0 -1 1.5 1e300 0/0 1/0 2^53 {} {x='y'} {[1]=2} print hep sip headers '' 'x' '0' '5060' '-3'"
    " '192.0.2.9' '2001:db8::1' 'SrcIP' 'SrcPort' 'SID' 'NodeID' 'ProtoType' 'FromUser' 'callid' 'get' 'set'"
    " 'del' 'md5'"
    " '\\0' '\\255\\254' '\\r\\n' ('x'):rep(300) 'custom:x' '☎'"
    " setmetatable({},{__tostring=function()error('x')end})"
)

values = st.sampled_from(VALUES.split())
calls = st.builds(
    lambda name, arguments: f"{name}({', '.join(arguments)})",
    st.sampled_from(FUNCTIONS.split()),
    st.lists(values, max_size=4),
)
assignments = st.builds(
    lambda field, value: f"{field} = {value}", st.sampled_from(STRUCT_FIELDS.split()), values
)
statements = st.lists(st.one_of(calls, assignments), min_size=1, max_size=5)

SERVICES = old_services(Services(None, FilterSettings()))
INTERPRETER = Interpreter(SipSettings())
HEAD = "local hep, sip = GetHEPStruct(), GetSIPStruct()\nlocal headers = sip.CustomHeader or {}\n"


@settings(max_examples=150)
@given(statements, st.sampled_from([(1, INVITE), (1, b"no SIP"), (5, b"{}"), (100, b"line")]))
def test_any_calls_leave_a_message_that_can_be_stored(made: list[str], packet: tuple[int, bytes]) -> None:
    caught = [f"pcall(function() {statement} end)" for statement in made[1:]]
    source = "function run()\n" + HEAD + "\n".join([*caught, made[0]]) + "\nend"
    loaded = load_old_scripts([[make_script("a.lua", source.encode())]], LuaState, SERVICES)
    draft = a_draft(packet[1], protocol_type=packet[0], correlation_id=b"call")

    error = error_of(loaded, draft)

    assert error is None or (error.kind, error.file, error.line) == ("error", "a.lua", len(made) + 3)
    Reviser(INTERPRETER, lambda name: True).revise(draft, None)


def error_of(loaded: OldScripts, draft: Draft) -> ScriptError | None:
    try:
        loaded.host.run(loaded.functions["a.lua"][0], draft)
    except ScriptError as error:
        return error
    return None
