-- The functions of heplify-server, so that scripts written for it run unchanged.
--
-- Source: what scripts of heplify-server 1.60.3 see: names, arguments, types, and what happens in odd cases.
-- Runs after core.lua. Gets services of Python. Leaves `__homer` in the environment, for the chunk that scripts
-- are joined to (see capture/scripts/homer.py), and returns a function that takes it away.
-- Keeps what it needs in locals, so that nothing that scripts do to their environment reaches it.

local environment, hash_get, hash_set, hash_del, hash_string, proto_name, custom_names, say, refuse, count_file = ...

local core = environment.__core
environment.__core = nil

local error, getinfo, getmetatable, newproxy, next, pairs, rawget =
    error, debug.getinfo, getmetatable, newproxy, next, pairs, rawget
local select, tonumber, tostring, type, unpack = select, tonumber, tostring, type, unpack
local byte, format, gmatch, match, sub = string.byte, string.format, string.gmatch, string.match, string.sub
local concat, floor = table.concat, math.floor
local read, write, generation = core.read, core.write, core.generation

local function log(level, words)
    -- At the line of the script, however many functions of ours are between.
    local depth = 3
    local frame = getinfo(depth, "Sl")
    while frame and byte(frame.source) ~= 64 do
        depth = depth + 1
        frame = getinfo(depth, "Sl")
    end
    say(level, words, frame and sub(frame.source, 2) or "", frame and frame.currentline or 0)
end

-- ---- values, as Go takes them from Lua: text may be a number, and nil is what is empty ----

-- `level` is as in `error`: 2 is the function that called the one that calls here.

local function as_text(value, what, level)
    local kind = type(value)
    if kind == "string" then
        return value
    elseif kind == "number" then
        return tostring(value)
    elseif kind == "nil" then
        return ""
    end
    error(format("%s is text, not a %s", what, kind), level + 1)
end

local function as_number(value, what, level)
    if type(value) == "number" then
        return value
    end
    local written = as_text(value, what, level + 1)
    return match(written, "^[+-]?%d+$") and tonumber(written) or nil
end

-- What cannot be is left out, as scripts expect it, but not without a word.
local function said(refused)
    if refused then
        refuse()
        log("warn", refused .. "; it stays as it was")
    end
end

local function set(field, value)
    said(write(field, value))
end

local function set_tag(name, value)
    said(core.tag("custom:" .. name, value))
end

local function read_text(field)
    return read(field) or ""
end

local function read_number(field)
    return read(field) or 0
end

-- ---- what a packet is ----

local without_sip -- the packet whose SIP struct a script has taken away

local function is_sip()
    return without_sip ~= generation() and read("kind") == "sip"
end

local function sip_or_log(name)
    if is_sip() then
        return true
    end
    log("warn", name .. ": the packet is not SIP; nothing is set")
    return false
end

local function set_profile(value)
    local letter = match(value, "^[cr]")
    set("profile", letter == "c" and "call" or letter == "r" and "registration" or "default")
end

local function set_time(seconds, microseconds)
    set("time_us", floor(seconds) * 1000000 + floor(microseconds))
end

local function seconds()
    return floor(read_number("time_us") / 1000000)
end

local function microseconds()
    return read_number("time_us") % 1000000
end

-- ---- structs: userdata whose fields are read when they are asked for ----

-- A field has `get`, and `set` where it is stored. What is assigned to one without is kept for the packet.

local function text_field(field)
    return {
        text = field,
        get = function()
            return read(field) or ""
        end,
        set = function(value, name)
            set(field, as_text(value, name, 3))
        end,
    }
end

local function number_field(field)
    return {
        get = function()
            return read(field) or 0
        end,
        set = function(value, name)
            value = as_number(value, name, 3)
            if value then
                set(field, value)
            end
        end,
    }
end

local function header_field(...)
    local headers = { ... }
    return {
        get = function()
            for index = 1, #headers do
                local value = core.header(headers[index])
                if value then
                    return value
                end
            end
            return ""
        end,
    }
end

--- A kind of userdata. Returns `current()`, which gives the one of the packet at hand, and `keep(name, value)`.
local function struct(what, fields)
    local prototype = newproxy(true)
    local metatable = getmetatable(prototype)
    local made_for, object, kept
    local texts = {} -- most fields are, and are read without another call
    for name, field in pairs(fields) do
        texts[name] = field.text
    end

    local function current()
        local packet = generation()
        if made_for ~= packet then
            -- In this order, as the script may be stopped at any place.
            object, kept = newproxy(prototype), nil
            made_for = packet
        end
        return object
    end

    local function keep(name, value)
        current()
        kept = kept or {}
        kept[name] = value
    end

    local function check(self)
        if self ~= current() then
            error("this " .. what .. " is that of an earlier packet; get it anew for each", 3)
        end
    end

    metatable.__index = function(self, name)
        if self ~= object or made_for ~= generation() then
            check(self)
        end
        local value = kept and kept[name]
        if value ~= nil then
            return value
        end
        local text = texts[name]
        if text then
            return read(text) or ""
        end
        local field = fields[name]
        return field and field.get()
    end
    metatable.__newindex = function(self, name, value)
        check(self)
        local field = fields[name]
        if not field then
            error(format("the %s has no field %s", what, tostring(name)), 2)
        elseif field.set then
            field.set(value, name)
        else
            keep(name, value)
        end
    end
    metatable.__tostring = function()
        return what
    end
    metatable.__metatable = false
    return current, keep
end

-- Headers that were asked for by name in the settings, and what scripts have set.
local custom_header = newproxy(true)
do
    local metatable = getmetatable(custom_header)
    metatable.__index = function(_, name)
        return read("custom:" .. as_text(name, "the name of a header", 2))
    end
    metatable.__newindex = function(_, name, value)
        name = as_text(name, "the name of a header", 2)
        set_tag(name, as_text(value, name, 2))
    end
    metatable.__metatable = false
end

local function set_custom_headers(headers, level)
    if type(headers) ~= "table" then
        error("custom headers are a table, not a " .. type(headers), level + 1)
    end
    for name, value in next, headers do
        local kind = type(value)
        if type(name) == "string" and name ~= "" and (kind == "string" or kind == "number") then
            set_tag(name, tostring(value))
        end
    end
end

local sip_fields = {
    FromUser = text_field("from_user"),
    FromHost = text_field("from_domain"),
    FromTag = text_field("from_tag"),
    ToUser = text_field("to_user"),
    ToHost = text_field("to_domain"),
    ToTag = text_field("to_tag"),
    URIUser = text_field("ruri_user"),
    URIHost = text_field("ruri_domain"),
    URIRaw = text_field("ruri"),
    CallID = text_field("call_id"),
    FirstMethod = text_field("method"),
    FirstRespText = { get = text_field("reason_phrase").get },
    CseqMethod = { get = text_field("cseq_method").get },
    CseqVal = text_field("cseq"),
    ContactUser = text_field("contact_user"),
    ContactHost = text_field("contact_domain"),
    ContactPort = { get = text_field("contact_port").get },
    ContactVal = header_field("Contact"),
    AuthUser = text_field("auth_user"),
    AuthVal = header_field("Authorization", "Proxy-Authorization"),
    UserAgent = text_field("user_agent"),
    Server = text_field("server"),
    PaiUser = text_field("pai_user"),
    PaiHost = text_field("pai_domain"),
    PAssertedIdVal = header_field("P-Asserted-Identity"),
    ViaOne = text_field("via"),
    ViaOneBranch = text_field("via_branch"),
    ReasonVal = text_field("reason"),
    DiversionVal = text_field("diversion"),
    Expires = text_field("expires"),
    ContentType = text_field("content_type"),
    ContentLength = header_field("Content-Length"),
    RemotePartyIdVal = header_field("Remote-Party-ID"),
    Privacy = header_field("Privacy"),
    Organization = header_field("Organization"),
    MaxForwards = header_field("Max-Forwards"),
    RTPStatVal = header_field("X-RTP-Stat", "P-RTP-Stat"),
    Body = { get = core.body },
    Msg = {
        get = function()
            return read_text("payload")
        end,
    },
    FirstResp = {
        get = function()
            return match(read_text("method"), "^%d+$") or ""
        end,
    },
    Profile = {
        get = function()
            return read_text("profile")
        end,
        set = function(value, name)
            set_profile(as_text(value, name, 3))
        end,
    },
    CustomHeader = {
        get = function()
            return custom_header
        end,
        set = function(value)
            set_custom_headers(value, 3)
        end,
    },
    -- The A leg's Call-ID: what a header set as `sip.correlation_headers` says.
    XCallID = {
        get = function()
            local set_by_script = read("custom:callid_aleg")
            if set_by_script then
                return set_by_script
            end
            local correlation_id = read_text("correlation_id")
            return correlation_id ~= read("call_id") and correlation_id or ""
        end,
        set = function(value, name)
            set_tag("callid_aleg", as_text(value, name, 3))
        end,
    },
}

local current_sip, keep_sip = struct("SIP struct", sip_fields)

local function set_raw(value)
    if is_sip() then
        -- Of the struct everything stays as it was.
        local sip = current_sip()
        keep_sip("Msg", sip.Msg)
        keep_sip("Body", sip.Body)
    end
    set("raw", value)
end

local hep_fields = {
    Version = { get = number_field("family").get },
    Protocol = number_field("ip_protocol"),
    SrcIP = text_field("source"),
    DstIP = text_field("destination"),
    SrcPort = number_field("source_port"),
    DstPort = number_field("destination_port"),
    ProtoType = number_field("protocol_type"),
    NodeID = number_field("capture_id"),
    NodePW = { get = text_field("hep_key").get },
    CID = text_field("correlation_id"),
    SID = text_field("sid"),
    Vlan = number_field("vlan"),
    TargetName = text_field("sink:target_name"),
    Tsec = {
        get = seconds,
        set = function(value, name)
            set_time(as_number(value, name, 3) or seconds(), microseconds())
        end,
    },
    Tmsec = {
        get = microseconds,
        set = function(value, name)
            set_time(seconds(), as_number(value, name, 3) or microseconds())
        end,
    },
    Timestamp = {
        get = function()
            return read_number("time_us") / 1000000
        end,
        set = function(value, name)
            set_time(0, (as_number(value, name, 3) or 0) * 1000000)
        end,
    },
    Payload = {
        get = function()
            return read_text("payload")
        end,
        set = function(value, name)
            set_raw(as_text(value, name, 3))
        end,
    },
    ProtoString = {
        get = function()
            return proto_name(read_number("protocol_type"))
        end,
    },
    NodeName = {
        get = function()
            local name = read_text("node_name")
            return name ~= "" and name or tostring(read("capture_id") or "")
        end,
        set = text_field("node_name").set,
    },
    SIP = {
        get = function()
            return is_sip() and current_sip() or nil
        end,
        set = function(value)
            if value == nil and is_sip() then
                without_sip = generation()
                core.drop("a script took the SIP struct away")
            end
        end,
    },
}

local current_hep = struct("HEP struct", hep_fields)

-- ---- the functions ----

local api = {}

function api.GetHEPStruct()
    return read("kind") and current_hep() or ""
end

function api.GetSIPStruct()
    return is_sip() and current_sip() or ""
end

local GETTERS = {
    GetHEPProtoType = "ProtoType",
    GetHEPSrcIP = "SrcIP",
    GetHEPSrcPort = "SrcPort",
    GetHEPDstIP = "DstIP",
    GetHEPDstPort = "DstPort",
    GetHEPTimeSeconds = "Tsec",
    GetHEPTimeUseconds = "Tmsec",
    GetHEPNodeID = "NodeID",
    GetHEPCID = "CID",
    GetRawMessage = "Payload",
}
for name, field in pairs(GETTERS) do
    api[name] = hep_fields[field].get
end

function api.GetSIPCallID()
    return is_sip() and read_text("call_id") or ""
end

function api.SetRawMessage(value)
    set_raw(as_text(value, "the raw message", 2))
end

local HEP_NUMBERS = { ProtoType = true, SrcPort = true, DstPort = true, NodeID = true }
local HEP_TEXTS = { SrcIP = true, DstIP = true, CID = true, SID = true, NodeName = true, TargetName = true }

function api.SetHEPField(name, value)
    name = as_text(name, "the name of a field", 2)
    if HEP_NUMBERS[name] or HEP_TEXTS[name] then
        hep_fields[name].set(as_text(value, name, 2), name)
    end
end

function api.SetSIPProfile(value)
    value = as_text(value, "a profile", 2)
    if sip_or_log("SetSIPProfile") then
        set_profile(value)
    end
end

-- What SetSIPHeader calls it by: Go's name, or the column's.
local SETTABLE = { Method = "FirstMethod", CallID = "CallID", Server = "Server" }
for field, column in gmatch([[
    FromUser from_user  FromHost from_domain  FromTag from_tag
    ToUser to_user  ToHost to_domain  ToTag to_tag
    URIUser ruri_user  URIHost ruri_domain
    XCallID callid_aleg
    ContactUser contact_user  ContactHost contact_domain
    AuthUser auth_user
    UserAgent user_agent
    PaiUser pid_user  PaiHost pid_domain
    ViaOne via
]], "(%a+) ([%a_]+)") do
    SETTABLE[field], SETTABLE[column] = field, field
end

function api.SetSIPHeader(name, value)
    name = as_text(name, "the name of a header", 2)
    value = as_text(value, name, 2)
    if name == "" or not sip_or_log("SetSIPHeader") then
        return
    end
    local field = SETTABLE[name]
    if field then
        sip_fields[field].set(value, name)
    else
        set_tag(name, value)
    end
end

function api.SetCustomSIPHeader(headers)
    if headers ~= nil and sip_or_log("SetCustomSIPHeader") then
        set_custom_headers(headers, 2)
    end
end

api.SetCustomHeader = api.SetCustomSIPHeader -- its name in older scripts

local MOST_LABELS = 5
local RESERVED_LABELS = {}
for name in gmatch([[
    job hostname node type method response protocol call_id from to src_ip src_port dst_ip dst_port
]], "%S+") do
    RESERVED_LABELS[name] = true
end
local labelled, labels, label_count -- the packet, the names of its labels, how many

function api.SetLokiLabel(name, value)
    name = as_text(name, "the name of a label", 2)
    value = as_text(value, name, 2)
    if labelled ~= generation() then
        labels, label_count = {}, 0
        labelled = generation()
    end
    local is_name = #name <= 64 and match(name, "^[%a_][%w_]*$") and not RESERVED_LABELS[name]
    if not is_name or #value < 1 or #value > 1024 then
        return
    end
    if not labels[name] then
        if label_count == MOST_LABELS then
            return
        end
        labels[name], label_count = true, label_count + 1
    end
    set("sink:loki:" .. name, value)
end

function api.HashTable(operation, key, value)
    operation = as_text(operation, "an operation", 2)
    key = as_text(key, "a key", 2)
    if operation == "get" then
        return hash_get(key) or ""
    elseif operation == "set" then
        local refused = hash_set(key, as_text(value, "a value", 2))
        if refused then
            log("warn", "HashTable: " .. refused)
        end
    elseif operation == "del" then
        hash_del(key)
    end
    return ""
end

function api.HashString(algorithm, value)
    return hash_string(as_text(algorithm, "an algorithm", 2), as_text(value, "what is hashed", 2))
end

local function joined(...)
    local words = {}
    for index = 1, select("#", ...) do
        words[index] = tostring((select(index, ...)))
    end
    return concat(words, " ")
end

function api.Logp(level, message, ...)
    log(level == "ERROR" and "error" or "debug", joined(message, ...))
end

function api.Print(...)
    log("info", joined(...))
end

local script_engine, hep = {}, {}
for name, called in pairs(api) do
    environment[name], script_engine[name], hep[name] = called, called, called
end
environment.scriptEngine, environment.HEP = script_engine, hep
environment.print = api.Print

--- heplify-server's goes through its userdata as well.
function environment.pairs(of)
    if of ~= custom_header then
        return pairs(of)
    end
    local headers = {}
    core.flush()
    for _, name in pairs({ custom_names() }) do
        headers[name] = read("custom:" .. name)
    end
    return next, headers
end

-- ---- entry points ----

-- A function with parameters gets the globals of their names, as in the text of a call.
local function with_globals(called, ...)
    local names, count = { ... }, select("#", ...)
    return function()
        local values = {}
        for index = 1, count do
            values[index] = rawget(environment, names[index])
        end
        called(unpack(values, 1, count))
    end
end

environment.__homer = {
    entry = function(called, ...)
        return core.entry(select("#", ...) > 0 and with_globals(called, ...) or called)
    end,
    end_of_file = function()
        count_file(getinfo(2, "l").currentline)
    end,
}

return function()
    environment.__homer = nil
end
