-- The sandbox's doors: what Python calls to load scripts, modules and preludes, and to find functions.
--
-- The third of a state's chunks. A prelude is Lua of ours that runs with the full standard library and makes
-- what scripts use. It has to keep what it needs in locals, and to call no methods of strings, which are the
-- scripts' own: `string.upper(text)`, not `text:upper()`.

local bounds, environment, find_module = ...

local error, loadstring, pcall, rawget, setfenv, type = error, loadstring, pcall, rawget, setfenv, type
local byte, find, format = string.byte, string.find, string.format
local gmatch, gsub, sub = string.gmatch, string.gsub, string.sub
local as_function = python.as_function
local bind, with_room = bounds.bind, bounds.with_room

python = nil

-- ---- scripts ----

local function load(source, chunkname)
    if byte(source, 1) == 27 then
        -- LuaJIT does not check it.
        return nil, sub(chunkname, 2) .. ":1: compiled Lua is not loaded, only its source"
    end
    local chunk, problem = loadstring(source, chunkname)
    if not chunk then
        return nil, problem
    end
    return setfenv(chunk, environment)
end

local function load_bound(source, chunkname)
    local chunk, problem = load(source, chunkname)
    if not chunk then
        return nil, problem
    end
    return bind(chunk)
end

local function global(name)
    -- By rawget, as an __index would be the script's, outside of its budget.
    local owner, value = nil, environment
    for part in gmatch(name, "[^.:]+") do
        if type(value) ~= "table" then
            return nil
        end
        owner, value = value, rawget(value, part)
    end
    if type(value) ~= "function" then
        return nil
    end
    if not find(name, ":", 1, true) then
        return bind(value)
    end
    return bind(function(...)
        return value(owner, ...)
    end)
end

-- ---- modules ----

if find_module then
    find_module = with_room(as_function(find_module))
end

local modules = {} -- name -> { value = … }, or LOADING
local LOADING = {}
for name in gmatch("bit coroutine math os string table", "%a+") do
    -- `local bit = require "bit"` is how people write it.
    modules[name] = { value = environment[name] }
end

local LONGEST_NAME = 255

local function is_module_name(name)
    if #name > LONGEST_NAME or not find(name, "^[%w_./-]+$") then
        return false
    end
    for part in gmatch(gsub(name, "[./]", "\n") .. "\n", "([^\n]*)\n") do
        if part == "" then
            return false
        end
    end
    return true
end

local function load_module(name)
    local file, source
    if find_module then
        file, source = find_module(name)
    end
    if not file then
        error(format("require: there is no module %s in the script folder", name), 3)
    end
    local chunk, problem = load(source, "@" .. file)
    if not chunk then
        error(problem, 0)
    end
    modules[name] = LOADING
    local succeeded, value = pcall(chunk, name)
    modules[name] = nil
    if not succeeded then
        error(value, 0)
    end
    if value == nil then
        value = true
    end
    modules[name] = { value = value }
    return value
end

function environment.require(name)
    if type(name) ~= "string" then
        error(format("require: the name of a module expected, not a %s", type(name)), 2)
    end
    if not is_module_name(name) then
        error(format("require: %s is no name of a module in the script folder", sub(name, 1, LONGEST_NAME)), 2)
    end
    local module = modules[name]
    if module == LOADING then
        error(format("require: %s requires itself, by way of what it requires", name), 2)
    end
    if module then
        return module.value
    end
    return (load_module(name)) -- no tail call, so that its errors name the script's line
end

-- ---- preludes ----

local function bind_all(...)
    local bound = { ... }
    for index = 1, select("#", ...) do
        bound[index] = bind(bound[index])
    end
    return unpack(bound)
end

local function library(source, name, ...)
    local services = { ... }
    for index = 1, select("#", ...) do
        services[index] = with_room(as_function(services[index]))
    end
    local prelude = assert(loadstring(source, "=[" .. name .. "]"))
    return bind_all(prelude(environment, unpack(services)))
end

return load_bound, library, global
