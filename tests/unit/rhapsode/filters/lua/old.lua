-- Of the API of heplify-server.
function clean()
    local sip = GetSIPStruct()
    if sip == nil or sip == '' then return end
    SetSIPHeader("from_user", "anonymous")
    if sip.ToUser == "broken" then
        local nothing = nil
        nothing.field = 1
    end
end
