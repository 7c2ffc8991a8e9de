-- All methods in one table.
function oneTable()
    SetSIPProfile("call")
end
