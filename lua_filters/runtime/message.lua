-- What a script of the new kind sees of the packet at hand: the object that its entry points get, the verdicts and
-- the changes. docs/lua.md is the page for who writes scripts.
--
-- Runs after core.lua, names.lua and json.lua. Returns to Python the four functions that run a script's entry points:
-- for SIP, RTCP, log lines and any other packet.

local environment, describe_sdp, log_text, share_of, masked, without_headers, without_body, without_keys, joined = ...

local core, names = environment.__core, environment.__names
environment.__core = nil

local error, getmetatable, next, rawequal, rawget, setmetatable =
    error, getmetatable, next, rawequal, rawget, setmetatable
local select, tonumber, tostring, type, unpack = select, tonumber, tostring, type, unpack
local find, floor, format, gmatch, lower, match, max, sub =
    string.find, math.floor, string.format, string.gmatch, string.lower, string.match, math.max, string.sub
local read, write = core.read, core.write
local guess, shown = names.guess, names.shown
local decode = environment.json.decode
local pcall, resume = environment.pcall, environment.coroutine.resume

local TAG = "custom:"

-- ---- the object ----

local at_hand -- the object that the running entry point was given; nil while a script is loaded

local function transport()
    local protocol = read("ip_protocol")
    if protocol == 17 then
        return "udp"
    elseif protocol == 132 then
        return "sctp"
    end
    -- TLS and WebSocket have no number of their own that senders agree upon; the topmost Via says what it is.
    local via = match(read("via") or "", "^SIP%s*/%s*2%.0%s*/%s*(%w+)")
    local said = via and lower(via)
    if said == "tls" or said == "ws" or said == "wss" then
        return said
    end
    return protocol == 6 and "tcp" or protocol == 22 and "tls" or nil
end

-- Field as scripts name it → as the core does, or a function.
local COMMON = {
    source = "source",
    source_port = "source_port",
    destination = "destination",
    destination_port = "destination_port",
    transport = transport,
    time = function()
        return read("time_us") / 1000000
    end,
    node = "node_name",
    capture_id = "capture_id",
    correlation_id = "correlation_id",
    session_id = "sid",
    protocol_type = "protocol_type",
    profile = "profile",
    payload = "payload",
}
local OF_SIP = {
    body = "body",
    is_request = "is_request",
    status = function()
        return not read("is_request") and tonumber(read("method")) or nil
    end,
}
for name in
    gmatch(
        [[method call_id from_user from_domain from_tag to_user to_domain to_tag ruri ruri_user ruri_domain cseq
        cseq_method contact_user contact_domain user_agent server via via_branch auth_user pai_user pai_domain
        content_type reason reason_phrase diversion expires]],
        "%S+"
    )
do
    OF_SIP[name] = name
end
local OF_LOG = { text = log_text }

-- What Homer, heplify-server and others call them, in lower case without punctuation.
local OTHER_NAMES = {
    aor = "to_user",
    bodytext = "body",
    callidaleg = 'header("X-CID")',
    cid = "correlation_id",
    cseqval = "cseq",
    destinationip = "destination",
    dst = "destination",
    dstip = "destination",
    dstport = "destination_port",
    firstmethod = "method",
    from = "from_user",
    fromhost = "from_domain",
    headers = "header(name)",
    msg = "payload",
    nodeid = "capture_id",
    nodename = "node",
    prototype = "protocol_type",
    raw = "payload",
    request = "is_request",
    sid = "session_id",
    sourceip = "source",
    src = "source",
    srcip = "source",
    srcport = "source_port",
    timestamp = "time",
    to = "to_user",
    tohost = "to_domain",
    ua = "user_agent",
    uri = "ruri",
    urihost = "ruri_domain",
    urituser = "ruri_user",
    uriuser = "ruri_user",
}

local function stale(kind)
    return at_hand and format("this %s belongs to an earlier packet: use the one that the function was given", kind)
        or format("this %s belongs to an earlier packet, and none is at hand", kind)
end

local function no_field(kind, name, fields)
    local elsewhere = type(name) == "string" and (OF_SIP[name] and "on_sip" or OF_LOG[name] and "on_log")
    local hint = elsewhere and format(" (%s has it)", elsewhere) or guess(name, fields, OTHER_NAMES)
    return format("%s has no field %s%s", kind, shown(name), hint)
end

local KNOWN = {} -- by kind: the names of all that its objects have

-- A function that makes the objects of one kind.
local function kind_of_object(kind, own_fields, methods)
    local stored, computed, known = {}, {}, {}
    for _, given in next, { COMMON, own_fields } do
        for name, field in next, given do
            known[name] = true
            local fields = type(field) == "string" and stored or computed
            fields[name] = field
        end
    end
    local checked = {}
    for name, method in next, methods do
        known[name] = true
        checked[name] = function(object, ...)
            if object ~= at_hand then
                local is_object = type(object) == "table" and getmetatable(object) == kind
                error(is_object and stale(kind) or format("write %s:%s(…), with a colon", kind, name), 2)
            end
            return method(...)
        end
    end
    local function read_other(name)
        local compute = computed[name]
        if compute then
            local value = compute()
            return value ~= "" and value or nil
        end
        local method = checked[name]
        if not method then
            error(no_field(kind, name, known), 3)
        end
        return method
    end
    KNOWN[kind] = known
    local metatable = { __metatable = kind }
    function metatable.__index(object, name)
        if object ~= at_hand then
            error(stale(kind), 2)
        end
        local field = stored[name]
        if field then
            local value = read(field)
            if value == "" then
                return nil
            end
            return value
        end
        local value = read_other(name)
        return value
    end
    function metatable.__newindex(_, name)
        error(format("a field is set by set(%s, value)", shown(name)), 2)
    end
    return function()
        return setmetatable({}, metatable)
    end
end

local function text(value, name)
    if type(value) == "string" then
        return value
    elseif type(value) == "number" then
        return tostring(value)
    end
    error(format("%s is text, not %s", name, value == nil and "nil" or "a " .. type(value)), 3)
end

local function tag_value(name)
    local value = read(TAG .. text(name, "the name of a tag"))
    return value ~= "" and value or nil
end

local function or_nil(...)
    if select("#", ...) == 0 then
        -- Not nothing at all: `tostring(message:header(name))` would be an error.
        return nil
    end
    return ...
end

local function header(name)
    return or_nil(core.header(text(name, "the name of a header")))
end

-- What Python found in a session description, a line for each value: a name, a blank and the value. `media` and
-- `codec` begin a new part.
local NUMBERS = { channels = true, number_of_ports = true, payload_type = true, port = true, rate = true }

local function sdp()
    local described = describe_sdp()
    if not described then
        return nil
    end
    local session = { media = {} }
    local part, codec = session, nil
    local at = 1
    while true do
        local first, last, name, value = find(described, "^(%S+) ([^\n]*)\n", at)
        if not first then
            return session
        end
        at = last + 1
        value = NUMBERS[name] and tonumber(value) or value
        if name == "media" then
            part, codec = { kind = value, codecs = {}, crypto = {} }, nil
            session.media[#session.media + 1] = part
        elseif name == "codec" then
            codec = { payload_type = tonumber(value) }
            part.codecs[#part.codecs + 1] = codec
        elseif name == "crypto" then
            part.crypto[#part.crypto + 1] = value
        else
            (codec or part)[name] = value
        end
    end
end

local function json()
    -- Nothing but the value: why it is none does not matter where anything may come.
    return (decode(read("payload")))
end

local new_message = kind_of_object("message", OF_SIP, { header = header, sdp = sdp, tag_value = tag_value })
local new_report = kind_of_object("report", {}, { json = json, tag_value = tag_value })
local new_line = kind_of_object("line", OF_LOG, { tag_value = tag_value })
local new_packet = kind_of_object("packet", {}, { tag_value = tag_value })

-- ---- verdicts ----

local ENDED = {} -- thrown by a verdict; a pcall of the script does not catch it

local function pass_on(succeeded, ...)
    if not succeeded and rawequal((...), ENDED) then
        error(ENDED, 0)
    end
    return succeeded, ...
end

function environment.pcall(...)
    return pass_on(pcall(...))
end

function environment.xpcall(called, handler, ...)
    local function handle(succeeded, ...)
        if succeeded then
            return true, ...
        end
        return false, handler((...))
    end
    return handle(pass_on(pcall(called, ...)))
end

function environment.coroutine.resume(...)
    return pass_on(resume(...))
end

local function check_packet(name, level)
    if not at_hand then
        local words = "%s: there is no packet while a script is loaded; call it in on_sip and the like"
        error(format(words, name), level or 3)
    end
end

function environment.drop(reason)
    check_packet("drop")
    core.drop(reason == nil and "dropped" or text(reason, "drop: the reason"))
    error(ENDED, 0)
end

function environment.keep()
    check_packet("keep")
    error(ENDED, 0)
end

function environment.sample(share, key)
    check_packet("sample")
    if type(share) ~= "number" or not (share >= 0 and share <= 1) then
        error("sample: the share is a number from 0 to 1, not " .. shown(share), 2)
    end
    if key == nil then
        key = read("sid") or ""
    elseif type(key) == "boolean" then
        key = tostring(key)
    end
    if share_of(text(key, "sample: the key")) < share then
        return true
    end
    core.drop("sampled")
    error(ENDED, 0)
end

-- ---- changes ----

local SETTABLE = {}
for _, given in next, { COMMON, OF_SIP } do
    for name, field in next, given do
        if type(field) == "string" then
            SETTABLE[name] = field
        end
    end
end
SETTABLE.body, SETTABLE.is_request, SETTABLE.time = nil, nil, "time_us"
local WHY_NOT = {
    body = "use redact_body(), or set the payload",
    is_request = "it follows from the payload",
    status = "set method: of a response it is the status",
    transport = "it follows from the packet",
    text = "set the payload",
}

-- Why a value cannot be, in the script's names for the fields.
local function in_words(words, field, name)
    local _, last = find(words, name, 1, true)
    return last and sub(words, 1, #name) == name and field .. sub(words, last + 1) or field .. ": " .. words
end

function environment.set(field, value)
    check_packet("set")
    local name = SETTABLE[field]
    if not name then
        local why = WHY_NOT[field]
        error(
            why and format("%s cannot be set: %s", field, why)
                or format("set: there is no field %s%s", shown(field), guess(field, SETTABLE, OTHER_NAMES)),
            2
        )
    end
    if name == "profile" then
        error("profile cannot be set: use route(profile)", 2)
    elseif name == "time_us" and type(value) == "number" then
        value = floor(value * 1000000 + 0.5)
    elseif type(value) == "table" or type(value) == "function" or type(value) == "thread" then
        error(format("%s is text or a number, not a %s", field, type(value)), 2)
    end
    local words = write(name, value)
    if words then
        error(in_words(words, field, name), 2)
    end
end

function environment.tag(name, value)
    check_packet("tag")
    if type(value) == "boolean" then
        value = tostring(value)
    elseif value ~= nil then
        value = text(value, "tag: the value")
    end
    local words = core.tag(TAG .. text(name, "tag: the name"), value)
    if words then
        error("tag: " .. words, 2)
    end
end

-- Sets what a service made of the payload. Services return nil and words instead.
local function set_payload(name, changed, words)
    words = not changed and words or changed and write("payload", changed)
    if words then
        error(name .. ": " .. words, 3)
    end
end

local function check_sip(name)
    check_packet(name, 4)
    if read("kind") ~= "sip" then
        error(name .. ": this packet is not SIP", 3)
    end
end

local MOST_HEADERS = 64 -- in one call

function environment.remove_header(...)
    check_sip("remove_header")
    local names, count = { ... }, max(1, select("#", ...))
    if count > MOST_HEADERS then
        error(format("remove_header: more than %d names", MOST_HEADERS), 2)
    end
    for index = 1, count do
        names[index] = text(names[index], "remove_header: the name")
    end
    local payload = read("payload")
    local changed, words = without_headers(payload, unpack(names))
    if changed ~= payload then
        set_payload("remove_header", changed, words)
    end
end

local USERS = {
    auth_user = true,
    contact_user = true,
    from_user = true,
    pai_user = true,
    ruri_user = true,
    to_user = true,
}

-- Fields and their users in turn, of those that the message has.
local function users_of(fields)
    local list, length, seen = {}, 0, {}
    for index = 1, #fields do
        local field = fields[index]
        if not USERS[field] then
            error(format("mask: %s is not one of the users%s", shown(field), guess(field, USERS, OTHER_NAMES)), 3)
        end
        local value = not seen[field] and read(field)
        seen[field] = true
        if value and value ~= "" then
            list[length + 1], list[length + 2] = field, value
            length = length + 2
        end
    end
    return list, length
end

function environment.mask(fields, keep_last)
    check_sip("mask")
    local list, length = users_of(type(fields) == "table" and fields or { fields == nil and "nil" or fields })
    keep_last = keep_last == nil and 0 or keep_last
    if type(keep_last) ~= "number" or not (keep_last >= 0 and keep_last <= 1000 and keep_last == floor(keep_last)) then
        error("mask: keep_last is a whole number from 0 to 1000, not " .. shown(keep_last), 2)
    end
    if length == 0 then
        return
    end
    local results = { masked(read("payload"), keep_last, unpack(list, 1, length)) }
    set_payload("mask", results[1], results[2])
    for index = 1, length, 2 do
        local mask = results[1 + (index + 1) / 2]
        if mask then
            write(list[index], mask)
        end
    end
end

function environment.redact_body()
    check_sip("redact_body")
    set_payload("redact_body", without_body(read("payload")))
end

function environment.redact_sdp_keys()
    check_sip("redact_sdp_keys")
    set_payload("redact_sdp_keys", without_keys(read("payload")))
end

function environment.correlate(...)
    check_packet("correlate")
    local count = select("#", ...)
    if count == 0 then
        error("correlate: no value", 2)
    end
    local values = { ... }
    for index = 1, count do
        values[index] = text(values[index], "correlate: value " .. index)
    end
    local words = write("correlation_id", count == 1 and values[1] or joined(unpack(values, 1, count)))
    if words then
        error("correlate: " .. words, 2)
    end
end

function environment.route(profile)
    check_sip("route")
    local words = write("profile", text(profile, "route: the profile"))
    if words then
        error("route: " .. words, 2)
    end
end

-- ---- entry points ----

local function went_on(succeeded, problem)
    if succeeded then
        return true
    elseif rawequal(problem, ENDED) then
        return false
    end
    error(problem, 0)
end

-- Whether the script goes on with this packet.
local function run(name, new_object)
    local entry_point = rawget(environment, name)
    if entry_point == nil then
        return true
    end
    at_hand = new_object()
    return went_on(pcall(entry_point, at_hand))
end

local function runner(name, new_object)
    return core.entry(function()
        if run("on_packet", new_packet) and name then
            run(name, new_object)
        end
        at_hand = nil
    end)
end

-- For who checks a script without running it: why an object has nothing of this name.
local function explain(kind, name)
    if not KNOWN[kind][name] then
        return no_field(kind, name, KNOWN[kind])
    end
end

return runner("on_sip", new_message), runner("on_rtcp", new_report), runner("on_log", new_line), runner(), explain
