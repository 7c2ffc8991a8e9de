"""Lua that does its worst: pieces, and random scripts of both kinds made of them."""

from random import Random

SIMPLE = (
    *("x = (x or 0) + 1", "error('a')", "error({})", "error(nil)", "error(error)", "coroutine.yield(1)"),
    *("held = held or {} held[#held + 1] = ('x'):rep(50000) .. #held", "s = (s or 'x') .. (s or 'x')"),
    *("local t = {} for i = 1, 1e7 do t[i] = i end", "return ('x'):rep(1e9)", "x = nil", "x.y.z = 1"),
    *("pcall = nil", "string = nil", "_G.error = error", "for k in pairs(_G) do _G[k] = nil end"),
    *("local function f() return 1 + f() end f()", "local function f() return f() end f()", "return io"),
    *("setmetatable(_G, nil)", "string.find = nil", "getmetatable('').__index = nil", "return {}"),
    "x = setmetatable({}, {__index = function(t, k) return t[k .. 'a'] end}).b",
    *("table.sort({2, 1}, x)", "goto on ::on::", "string.format = nil", "string.rep = string.format"),
    "x = tostring(setmetatable({}, {__tostring = function() while true do end end}))",
    "s = table.concat({s, s, s, s}, s)",
    "x = ('%s'):format(setmetatable({}, {__tostring = function() return s end}))",
    "local function f(...) return f(1, ...) end f()",
    "held = held or {} for i = 1, 100 do held[#held + 1] = coroutine.create(error) end",
    "held = held or {} for i = 1, 100 do held[{}] = function() return held end end",
    "local t = {} for i = 1, 5000 do t[i] = -i end table.sort(t)",
    "local t = {} for i = 1, 5000 do table.insert(t, 1, i) end",
    "return pcall(string.rep, s, -1, s)",
    "r, e = coroutine.resume(coroutine.running())",
    "require('x')",
    "string.gsub = function() error(string) end",
    "os.time(setmetatable({}, {__index = function() error() end}))",
)
"""Statements; each is put into a block of its own."""
WRAPPED = (
    *("while true do BODY end", "repeat BODY until false", "for i = 1, 10 do BODY end", "do BODY end"),
    *("pcall(function() BODY end)", "while true do pcall(function() BODY end) end", "if x then BODY end"),
    "xpcall(function() BODY end, function() while true do end end)",
    "xpcall(error, function() BODY end)",
    "coroutine.wrap(function() BODY end)()",
    "local c = coroutine.create(function() BODY end) for i = 1, 9 do coroutine.resume(c) end",
    "local c = coroutine.wrap(function() while 1 do BODY coroutine.yield() end end) while 1 do c() end",
    *("('aa'):gsub('a', function() BODY end)", "(function() BODY end)()"),
    "setmetatable({}, {__index = function() BODY end}).a = 1",
    "local x = setmetatable({}, {__index = function() BODY end}).a",
    "local x = setmetatable({}, {__concat = function() BODY end}) .. 'x'",
    "local x = setmetatable({}, {__lt = function() BODY end}) table.sort({x, x, x})",
    "table.sort({3, 1, 2}, function() BODY return true end)",
    "local function f() BODY return f() end f()",
    "local function f() BODY f() BODY end f()",
    "local function f() pcall(f) BODY return f() end f()",
    "local function f() ('x'):gsub('x', f) BODY end f()",
    "local function f() coroutine.wrap(f)() BODY end f()",
    "local function f() pcall(coroutine.wrap(f)) BODY end f()",
    "('%s'):format(setmetatable({}, {__tostring = function() BODY return 'x' end}))",
    "function f() BODY end local t = setmetatable({}, {__newindex = f, __call = f}) t.x = t()",
)
"""What stands around a statement, BODY."""

BOMB = "string.find(('a'):rep(3000), '.-.-.-.-.-b')"
"""Takes hours, and nothing in the process can end it."""

_OF_NEW = (
    *("drop('x')", "keep()", "sample(0.5)", "pcall(drop, 'x')", "drop(('x'):rep(1e6))", "drop({})"),
    "pcall(coroutine.wrap(function() drop() end))",
    *("tag('a', ('x'):rep(1e6))", "for i = 1, 200 do tag('t' .. i, i) end", "tag('\\0\\27[31m', 1)"),
    "for i = 1, 5000 do tag(('n'):rep(50) .. i, nil) end",
    "for i = 1, 20 do message:tag_value(i .. math.random() .. ('x'):rep(1e6)) end",
    *("error('x.lua:' .. ('9'):rep(500) .. ': a', 0)", "error('\\27[2J\\ra.lua:1: a', 0)"),
    *("tag('good', 'no')", "tag('good', nil)", "tag(('x'):rep(1e6), 1)", "tag({}, tag)"),
    *("set('payload', '')", "set('payload', ('\\r\\n'):rep(30000))", "set('protocol_type', 100)"),
    *("set('call_id', ('x'):rep(1e6))", "set('source', message)", "set('time', 0 / 0)", "set(nil, nil)"),
    "set('payload', 'INVITE sip:a SIP/2.0\\r\\n' .. ('Via: SIP/2.0/UDP a\\r\\n'):rep(3000))",
    *("mask('from_user', 1e9)", "redact_body()", "correlate(('x'):rep(1e6))", "route('x')"),
    *("remove_header(('x'):rep(1e6))", "remove_header(unpack({}, 1, 64))", "held = message"),
    *("cache.set(math.random(), ('x'):rep(1e6))", "for i = 1, 1e4 do cache.set(i .. 'k', i) end"),
    *("for i = 1, 1e4 do log.error('line ' .. i) end", "log.warn(('\\27[2J\\n'):rep(1e5))"),
    *("log.info('%d', {})", "count('x\\n', {})", "for i = 1, 1e4 do count('c', { l = i }) end"),
    "observe('h', 1e308, { [('x'):rep(1e5)] = ('x'):rep(1e5) })",
    *("json.decode(('['):rep(60000))", "lookup.file('../../etc/passwd.csv', 'x')", "message:sdp()"),
    "lookup.file(('x/'):rep(1e4) .. '.csv', '\\0')",
    *("message:header(('x'):rep(1e6))", "return message.user_agent", "message.x = 1", "message()"),
)
_OF_OLD = (
    *("SetHEPField('SrcIP', 'x')", "SetHEPField('SID', ('x'):rep(1e6))", "SetRawMessage(('x'):rep(1e6))"),
    *("SetSIPHeader(('x'):rep(1e6), 'x')", "SetSIPHeader('CallID', nil)", "SetSIPHeader({}, {})"),
    "for i = 1, 200 do SetSIPHeader('t' .. i, i) end",
    "local t = {} for i = 1, 1e4 do t[i .. 'x'] = i end SetCustomSIPHeader(t)",
    "SetCustomSIPHeader(setmetatable({}, { __index = function() while true do end end }))",
    *("HashTable('set', math.random(), ('x'):rep(1e6))", "HashTable({}, {}, {})", "HashString('md5', s)"),
    "for i = 1, 1e4 do HashTable('set', i, i) end",
    *("for i = 1, 1e4 do Print('line', i) end", "Logp('ERROR', ('\\27[2J\\n'):rep(1e5), {})"),
    "Print(setmetatable({}, { __tostring = function() while true do end end }))",
    *("local h = GetHEPStruct() h.Payload = ('x'):rep(1e6) h.SIP = 1", "held = GetSIPStruct()"),
    *("held.FromUser = 'x'", "GetSIPStruct().Msg = 1 GetSIPStruct().Body = GetSIPStruct()"),
    *("SetSIPProfile('r')", "SetSIPProfile(nil)", "SetLokiLabel('a', ('x'):rep(1e4))"),
    *("__homer.end_of_file()", "__homer.entry = error", "__homer = setmetatable({}, { __index = print })"),
    *("Print('*.lua:' .. ('9'):rep(5000))", "error('*.lua:' .. ('9'):rep(30) .. ': a', 0)"),
    *("GetSIPStruct = nil", "SetHEPField('ProtoType', '0')", "SetHEPField('SrcPort', '1e9')"),
    *("scriptEngine = HEP", "for k in pairs(HEP) do HEP[k] = error end", "SetHEPField('NodeID', -1)"),
    "for k, v in pairs(GetSIPStruct().CustomHeader) do SetSIPHeader(v, k) end",
)


class HostileScripts:
    """Random ones, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def folder(self, count: int) -> dict[str, str]:
        """Names and texts of so many files."""
        return {f"{number}.lua": self._script() for number in range(count)}

    def _script(self) -> str:
        random = self._random
        if random.random() < 0.03:
            return "".join(chr(random.randrange(256)) for _ in range(random.randrange(300)))
        is_new = random.random() < 0.5
        own = _OF_NEW if is_new else _OF_OLD
        head = random.choice(["", "", "local kept = {}", self._body(own, 1)])
        condition = random.choice(["true", "true", "math.random() < 0.3", "not met"])
        # `met` outlives the packet, so that some scripts fail but once.
        body = f"local message = ... if {condition} then met = true {self._body(own, 3)} end"
        if not is_new:
            second = f"function second()\n{self._body(own, 2)}\nend\n"
            return f"{head}\nfunction first(a, b)\n{body}\nend\n{second}"
        point = random.choice(["on_sip", "on_packet"])
        return f"{head}\nfunction {point}(...)\n{body}\nend\n"

    def _body(self, own: tuple[str, ...], most: int) -> str:
        return " ".join(self._statement(own) for _ in range(self._random.randint(1, most)))

    def _statement(self, own: tuple[str, ...], depth: int = 0) -> str:
        random = self._random
        if depth < 3 and random.random() < 0.4:
            inner = self._statement(own, depth + 1)
            return f"do {random.choice(WRAPPED).replace('BODY', inner)} end"
        if random.random() < 0.02:
            return f"do {BOMB} end"
        return f"do {random.choice(random.choice([SIMPLE, own, own]))} end"
