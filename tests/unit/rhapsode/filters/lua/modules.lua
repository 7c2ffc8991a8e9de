-- Uses a module of the folder.
local greeting = require("lib.greeting")

function on_sip()
    tag("greeting", greeting.word)
end
