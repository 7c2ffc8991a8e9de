-- Both legs of a call get one correlation id: numbers and the minute.
function correlate()
    if GetHEPProtoType() ~= 1 then return end
    local sip = GetSIPStruct()
    if sip.CseqMethod == "INVITE" then
        local minute = math.floor(GetHEPTimeSeconds() / 60)
        SetHEPField("CID", HashString("md5", sip.FromUser .. sip.URIUser .. minute))
    end
end
