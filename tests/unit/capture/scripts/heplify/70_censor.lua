-- Bodies of MESSAGE are nobody's business.
function censor()
    local sip = GetSIPStruct()
    if sip == '' or sip.FirstMethod ~= "MESSAGE" then
        return
    end
    local head = GetRawMessage():match("^(.-\r\n\r\n)")
    SetRawMessage(head .. string.rep("*", #sip.Body))
end
