-- What a packet says, to a script of the new kind: the objects that its entry points get. docs/lua.md is the page for
-- who writes scripts.
--
-- Runs after core.lua, names.lua and json.lua. Leaves `environment.__message` to changes.lua and verdicts.lua. Returns
-- `explain(kind, name)` to Python, for who checks a script without running it.

local environment, describe_sdp, log_text = ...

local core, names = environment.__core, environment.__names

local error, getmetatable, next, setmetatable = error, getmetatable, next, setmetatable
local select, tonumber, tostring, type = select, tonumber, tostring, type
local find, format, gmatch, lower, match = string.find, string.format, string.gmatch, string.lower, string.match
local read = core.read
local guess, shown = names.guess, names.shown
local decode = environment.json.decode

local TAG = "custom:"
local LONGEST_HEADER = 256 -- of a name; Python keeps a pattern for each

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

local function header_name(value, name)
    if type(value) == "string" and #value > LONGEST_HEADER then
        error(format("%s has at most %d bytes", name, LONGEST_HEADER), 3)
    end
    return text(value, name)
end

local function header(name)
    return or_nil(core.header(header_name(name, "the name of a header")))
end

-- What Python found in a session description, a line for each value: a name, a blank and the value. `media` and
-- `codec` begin a new part.
local NUMBERS = { channels = true, payload_type = true, port = true, rate = true }

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

local function check_packet(name, level)
    if not at_hand then
        local words = "%s: there is no packet while a script is loaded; call it in on_sip and the like"
        error(format(words, name), level or 3)
    end
end

environment.__message = {
    begin = function(object)
        at_hand = object
    end,
    check_packet = check_packet,
    header_name = header_name,
    text = text,
    TAG = TAG,
    COMMON = COMMON,
    OF_SIP = OF_SIP,
    OTHER_NAMES = OTHER_NAMES,
    new = {
        message = kind_of_object("message", OF_SIP, { header = header, sdp = sdp, tag_value = tag_value }),
        report = kind_of_object("report", {}, { json = json, tag_value = tag_value }),
        line = kind_of_object("line", OF_LOG, { tag_value = tag_value }),
        packet = kind_of_object("packet", {}, { tag_value = tag_value }),
    },
}

-- Why an object has nothing of this name; nothing if it has.
return function(kind, name)
    if not KNOWN[kind][name] then
        return no_field(kind, name, KNOWN[kind])
    end
end
