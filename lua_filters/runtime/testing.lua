-- What a *_test.lua file may use: it builds messages, runs them through scripts, and compares.
--
-- The scripts stand in states of their own, exactly as a worker has them; here is only the test. Everything
-- crosses to Python and back as single values, by the services that follow the environment in `...`:
--   declare(name, line)          a test of this file
--   choose(file)                 one of the scripts to run, in place of the one of the file's name
--   give(name, value)            a field of the message that is run next
--   run()                        that message through the scripts: its number, or nil and the scripts' error
--   last()                       the number of the message that was run last
--   read(number, name)           a field of a message after the scripts: nil where it has none
--   header(number, name)         all values of a header
--   change(number, n)            the n-th field that the scripts changed: name, value (nil: taken away)
--   difference(actual, expected) two texts, compared line by line
--   pcap(file, n)                makes the n-th packet of a capture the one to read by `captured`: how many there are
--   captured(name)               a field of it
--   answer(file, key, value)     what a look-up gives
--   setting(name, value)         what a script reads in `settings`
--   clock(seconds)               the time from now on
--   counted(name, label, value, …)   a counter of the scripts
--   logged(n)                    the n-th line that the scripts logged
-- What cannot be done comes back as nil and words. Returns `run_test(n)` to Python.

local environment, declare, choose, give, run_given, last, read, header, change, difference, pcap, captured,
    answer, setting, clock, counted, logged_line = ...

local error, ipairs, next, pairs, rawget, setmetatable, tonumber, tostring, type, unpack =
    error, ipairs, next, pairs, rawget, setmetatable, tonumber, tostring, type, unpack
local concat, insert, sort = table.concat, table.insert, table.sort
local byte, find, format, gsub, lower, match, upper =
    string.byte, string.find, string.format, string.gsub, string.lower, string.match, string.upper
local floor, getinfo = math.floor, debug.getinfo
local pcall = environment.pcall -- which lets the end of a test that takes too long pass

local tests = {} -- functions, in the order in which they were declared

-- What the test files see. Errors in it have no place: they are raised at the line of the test that called.
local api = {}

local function need(value, words)
    if value == nil then
        error(words, 0)
    end
    return value
end

-- ---- values as text ----

local function sorted_keys(from)
    local keys = {}
    for key in pairs(from) do
        insert(keys, key)
    end
    sort(keys, function(one, other)
        if type(one) == type(other) and (type(one) == "number" or type(one) == "string") then
            return one < other
        end
        return type(one) < type(other)
    end)
    return keys
end

local function quoted(text)
    text = gsub(text, '[%c"\\]', function(char)
        local known = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ['"'] = '\\"', ["\\"] = "\\\\" }
        return known[char] or format("\\%03d", byte(char))
    end)
    return '"' .. text .. '"'
end

local function number_text(number)
    return number == floor(number) and number < 2 ^ 53 and number > -2 ^ 53 and format("%d", number)
        or format("%.14g", number)
end

local function show(value, indent, above)
    local kind = type(value)
    if kind == "string" then
        return quoted(value)
    elseif kind == "number" then
        return number_text(value)
    elseif kind ~= "table" then
        return kind == "boolean" and tostring(value) or kind
    elseif above[value] then
        return "a table around this one"
    end
    above[value] = true
    local lines = {}
    for _, key in ipairs(sorted_keys(value)) do
        local name = type(key) == "string" and find(key, "^[%a_][%w_]*$") and key
            or "[" .. show(key, "", above) .. "]"
        insert(lines, indent .. "    " .. name .. " = " .. show(value[key], indent .. "    ", above) .. ",")
    end
    above[value] = nil
    return #lines == 0 and "{}" or "{\n" .. concat(lines, "\n") .. "\n" .. indent .. "}"
end

local function shown(value)
    return show(value, "", {})
end

local function is_same(one, other)
    if one == other then
        return true
    elseif type(one) ~= "table" or type(other) ~= "table" then
        return false
    end
    return shown(one) == shown(other)
end

-- ---- JSON, for the reports of RTCP ----

local function json(value)
    local kind = type(value)
    if kind == "string" then
        return '"' .. gsub(value, '[%c"\\]', function(char)
            return format("\\u%04x", byte(char))
        end) .. '"'
    elseif kind == "number" then
        return number_text(value)
    elseif kind == "boolean" then
        return tostring(value)
    elseif kind ~= "table" then
        error("a report holds texts, numbers, booleans and tables, no " .. kind, 0)
    end
    local parts = {}
    if #value > 0 then
        for _, item in ipairs(value) do
            insert(parts, json(item))
        end
        return "[" .. concat(parts, ",") .. "]"
    end
    for _, key in ipairs(sorted_keys(value)) do
        insert(parts, json(tostring(key)) .. ":" .. json(value[key]))
    end
    return "{" .. concat(parts, ",") .. "}"
end

-- ---- messages ----

local COMMON = {
    source = true, destination = true, source_port = true, destination_port = true, transport = true,
    time = true, node = true, capture_id = true, correlation_id = true, protocol_type = true, vlan = true,
    hep_key = true, payload = true,
}
local OF_SIP = {
    method = true, status = true, reason_phrase = true, ruri = true, from = true, from_tag = true, to = true,
    to_tag = true, call_id = true, cseq = true, cseq_method = true, via = true, branch = true, contact = true,
    user_agent = true, headers = true, body = true, content_type = true,
}
local REASONS = {
    [100] = "Trying", [180] = "Ringing", [183] = "Session Progress", [200] = "OK", [202] = "Accepted",
    [301] = "Moved Permanently", [302] = "Moved Temporarily", [400] = "Bad Request", [401] = "Unauthorized",
    [403] = "Forbidden", [404] = "Not Found", [407] = "Proxy Authentication Required", [408] = "Request Timeout",
    [480] = "Temporarily Unavailable", [481] = "Call/Transaction Does Not Exist", [486] = "Busy Here",
    [487] = "Request Terminated", [488] = "Not Acceptable Here", [500] = "Server Internal Error",
    [503] = "Service Unavailable", [603] = "Decline",
}
local built = 0

local function split_address(text)
    local bracketed, port = match(text, "^%[(.+)%]:?(%d*)$")
    if bracketed then
        return bracketed, tonumber(port)
    end
    local host, of_host = match(text, "^([^:]+):(%d+)$")
    return host or text, tonumber(of_host)
end

-- A message is a table of the fields that all packets have.
local function message(given, known, protocol_type)
    local made = {
        source = "192.0.2.1", source_port = 5060, destination = "192.0.2.2", destination_port = 5060,
        transport = "udp", protocol_type = protocol_type,
    }
    for name, value in pairs(given) do
        if not COMMON[name] and not known[name] then
            error("a message has no field " .. tostring(name), 0)
        elseif COMMON[name] then
            made[name] = value
        end
    end
    for _, name in ipairs({ "source", "destination" }) do
        if type(made[name]) == "string" then
            local host, port = split_address(made[name])
            made[name] = host
            made[name .. "_port"] = given[name .. "_port"] or port or made[name .. "_port"]
        end
    end
    return made
end

local function need_table(given, of)
    if type(given) ~= "table" then
        error(of .. "{…} takes a table of fields", 0)
    end
    return given
end

-- `alice@example.com` and `sip:alice@example.com` become a header's address; what has one already stays.
local function address(text, tag)
    if not find(text, "<", 1, true) then
        text = "<" .. (find(text, "^%a+:") and text or "sip:" .. text) .. ">"
    end
    return tag and text .. ";tag=" .. tag or text
end

-- The test's own headers by name in lower case, each a list of lines, and the names in the order of the lines.
local function own_headers(headers)
    local own, order = {}, {}
    local function of(name)
        name = lower(name)
        if not own[name] then
            own[name] = {}
            insert(order, name)
        end
        return own[name]
    end
    for _, name in ipairs(sorted_keys(headers)) do
        local value = headers[name]
        if type(name) == "number" then
            insert(of(match(value, "^([^:%s]+)") or ""), value)
        else
            local lines = of(name)
            for _, each in ipairs(type(value) == "table" and value or value and { value } or {}) do
                insert(lines, name .. ": " .. tostring(each))
            end
        end
    end
    return own, order
end

-- Adds a header to a message; what the test has given of this name stands in its place.
local function adder(lines, own)
    return function(name, value)
        local given = own[lower(name)]
        if given then
            own[lower(name)] = {}
            for _, line in ipairs(given) do
                insert(lines, line)
            end
        elseif value then
            insert(lines, name .. ": " .. value)
        end
    end
end

local function first_line(given)
    if given.status then
        local reason = given.reason_phrase or REASONS[given.status] or "Whatever"
        return "SIP/2.0 " .. number_text(given.status) .. " " .. reason
    end
    local to = given.ruri or match(given.to or "", "<(.-)>") or given.to or "bob@example.com"
    return (given.method or "INVITE") .. " " .. (find(to, "^%a+:") and to or "sip:" .. to) .. " SIP/2.0"
end

local function sip_text(given, made)
    built = built + 1
    local own, order = own_headers(given.headers or {})
    local lines = { first_line(given) }
    local add = adder(lines, own)
    local host = made.source .. ":" .. number_text(made.source_port)
    local branch = given.branch or "z9hG4bKtest" .. number_text(built)
    add("Via", given.via or "SIP/2.0/" .. upper(made.transport) .. " " .. host .. ";branch=" .. branch)
    add("From", address(given.from or "alice@example.com", given.from_tag or "from-tag"))
    add("To", address(given.to or "bob@example.com", given.to_tag or given.status and "to-tag"))
    add("Call-ID", given.call_id or "test-" .. number_text(built) .. "@example.com")
    add("CSeq", number_text(given.cseq or 1) .. " " .. (given.cseq_method or given.method or "INVITE"))
    add("Max-Forwards", not given.status and "70")
    add("Contact", given.contact and address(given.contact))
    add("User-Agent", given.user_agent)
    for _, name in ipairs(order) do
        if name ~= "content-type" and name ~= "content-length" then
            add(name)
        end
    end
    local body = given.body or ""
    local content_type = given.content_type or (find(body, "^v=0") and "application/sdp" or "text/plain")
    add("Content-Type", body ~= "" and content_type)
    add("Content-Length", number_text(#body))
    return concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

function api.sip(given)
    need_table(given, "sip")
    local made = message(given, OF_SIP, 1)
    made.payload = made.payload or sip_text(given, made)
    return made
end

-- Lines of a text in [[…]] end with LF alone; those of SIP end with CR LF.
function api.raw(text, given)
    if type(text) ~= "string" then
        error("raw(…) takes the text of a message", 0)
    end
    local made = message(given or {}, {}, 1)
    made.payload = find(text, "\r", 1, true) and text or gsub(text, "\n", "\r\n")
    return made
end

function api.rtcp(given)
    local made = message(need_table(given, "rtcp"), { report = true }, 5)
    made.payload = made.payload or json(given.report or {})
    return made
end

function api.log(given)
    local made = message(need_table(given, "log"), { text = true }, 100)
    made.payload = made.payload or given.text or ""
    return made
end

function api.hep(given)
    local made = message(need_table(given, "hep"), {}, 1)
    made.payload = made.payload or ""
    return made
end

local function captured_message()
    local made = {}
    for name in pairs(COMMON) do
        made[name] = captured(name)
    end
    return made
end

function api.from_pcap(file, number)
    if type(file) ~= "string" or number ~= nil and type(number) ~= "number" then
        error('from_pcap("file.pcap", 1) takes a file name and a number', 0)
    end
    local count = need(pcap(file, number or 1))
    if number then
        return captured_message()
    end
    local all = {}
    for n = 1, count do
        pcap(file, n)
        all[n] = captured_message()
    end
    return all
end

-- ---- running ----

local Result = {}

-- Everything that is not here yet is a field of the message, read when it is asked for.
function Result.__index(result, name)
    if Result[name] then
        return Result[name]
    elseif type(name) ~= "string" then
        return nil
    end
    local value, words = read(rawget(result, "number"), name)
    if value == nil and words then
        error(words, 2)
    end
    return value
end

function Result:header(name)
    return header(self.number, name)
end

local function result_of(number)
    local result = { number = number, changes = {}, tags = {} }
    local n = 1
    while true do
        local name, value = change(number, n)
        if not name then
            break
        end
        local tag = match(name, "^custom:(.+)$")
        if value == nil then
            value = false
        end
        (tag and result.tags or result.changes)[tag or name] = value
        n = n + 1
    end
    return setmetatable(result, Result)
end

-- The number of the message, or nil and the error of the scripts; a wrong message is the test's own error.
local function pass(given)
    if type(given) ~= "table" then
        error("run(…) takes a message: sip{…}, rtcp{…}, log{…}, hep{…}, raw(…) or from_pcap(…)", 0)
    end
    for name, value in pairs(given) do
        local ok, words = give(name, value)
        if not ok then
            error(words, 0)
        end
    end
    return run_given()
end

function api.run(given)
    local number, words = pass(given)
    if not number then
        error(words, 0)
    end
    return result_of(number)
end

-- Not by way of `api`: it has to know who called.
function environment.test(name, body)
    if type(name) ~= "string" or type(body) ~= "function" then
        error('test("name", function() … end) takes a name and a function', 2)
    end
    local declared, words = declare(name, getinfo(2, "l").currentline)
    if not declared then
        error(words, 2)
    end
    insert(tests, body)
end

function api.script(...)
    for _, file in ipairs({ ... }) do
        need(choose(file))
    end
end

function api.lookup_table(file, answers)
    if type(file) ~= "string" or type(answers) ~= "table" then
        error('lookup_table("file.csv", {key = value, …}) takes a file name and a table', 0)
    end
    for key, value in pairs(answers) do
        if type(value) == "table" then
            for column, cell in pairs(value) do
                need(answer(file, key, cell, column))
            end
        else
            need(answer(file, key, value))
        end
    end
    need(answer(file))
end

function api.settings(given)
    for name, value in pairs(need_table(given, "settings")) do
        need(setting(name, value))
    end
end

function api.at_time(seconds)
    if type(seconds) ~= "number" then
        error("at_time(…) takes seconds since 1970", 0)
    end
    need(clock(seconds))
end

function api.counted(name, labels)
    if type(name) ~= "string" then
        error('counted("calls", { trunk = "north" }) takes the name of a metric', 0)
    end
    local flat = {}
    for _, label in ipairs(sorted_keys(labels or {})) do
        insert(flat, label)
        insert(flat, tostring(labels[label]))
    end
    return counted(name, unpack(flat))
end

function api.logged()
    local lines = {}
    while true do
        local line = logged_line(#lines + 1)
        if not line then
            return lines
        end
        insert(lines, line)
    end
end

function api.print()
    error("print is not there: assert_equal(value, nil) shows what a value is, and logged() what scripts log", 0)
end

-- ---- comparing ----

local function fail(words, why)
    error(why and why .. "\n" .. words or words, 0)
end

local function text_lines(value)
    return type(value) == "string" and gsub(value, "\r\n", "\n") or shown(value)
end

function api.assert_equal(actual, expected, why)
    if is_same(actual, expected) then
        return
    end
    local together = text_lines(actual) .. text_lines(expected)
    local is_long = type(actual) == type(expected) and find(together, "\n", 1, true)
    if is_long and text_lines(actual) ~= text_lines(expected) then
        fail("differs (- expected, + actual):\n" .. difference(text_lines(actual), text_lines(expected)), why)
    end
    fail("not equal\nexpected: " .. shown(expected) .. "\nactual:   " .. shown(actual), why)
end

local function as_result(value)
    if type(value) ~= "table" or not rawget(value, "number") then
        error("this takes what run(…) gave", 0)
    end
    return value
end

function api.assert_dropped(result, reason)
    as_result(result)
    if not result.dropped then
        fail("kept, and not dropped" .. (reason and " with reason " .. quoted(reason) or ""))
    elseif reason and result.reason ~= reason then
        fail("dropped for another reason\nexpected: " .. quoted(reason) .. "\nactual:   " .. quoted(result.reason))
    end
end

function api.assert_kept(result)
    if as_result(result).dropped then
        fail("dropped with reason " .. quoted(result.reason) .. ", and not kept")
    end
end

function api.assert_unchanged(result)
    as_result(result)
    if next(result.changes) or next(result.tags) then
        fail("changed: " .. shown({ changes = result.changes, tags = result.tags }))
    elseif result.is_changed then
        fail("changed: the payload")
    end
end

function api.assert_match(text, pattern)
    if type(pattern) ~= "string" then
        error("assert_match(text, pattern) takes a pattern", 0)
    elseif type(text) ~= "string" or not find(text, pattern) then
        fail("no match\npattern: " .. quoted(pattern) .. "\nactual:  " .. shown(text))
    end
end

-- Of a message: that a script fails with it; what became of the message comes back. Of a function: that it fails.
function api.assert_error(subject, pattern)
    local words, result
    if type(subject) == "function" then
        local ok, raised = pcall(subject)
        words = not ok and (type(raised) == "string" and raised or type(raised)) or nil
    else
        local number
        number, words = pass(subject)
        result = result_of(number or last())
    end
    if not words then
        fail("no error")
    elseif pattern and not find(words, pattern) and not find(words, pattern, 1, true) then
        fail("another error\npattern: " .. quoted(pattern) .. "\nactual:  " .. quoted(words))
    end
    return result, words
end

-- ---- the way out ----

-- An error of ours, and of Lua's own within, stands at the line of the test that made the call.
local function at_call(called)
    return function(...)
        local results = { pcall(called, ...) }
        if not results[1] then
            local words = results[2]
            error(type(words) == "string" and gsub(words, "^%[testing%.lua%]:%d+: ", "") or words, 2)
        end
        return unpack(results, 2)
    end
end

for name, called in pairs(api) do
    environment[name] = at_call(called)
end

return function(number)
    tests[number]()
end
