-- A header that is not parsed is pulled out of the raw text.
function customerHeader()
    local sip = scriptEngine.GetSIPStruct()
    if sip == nil or sip == '' then
        return
    end
    local raw = scriptEngine.GetRawMessage()
    local customer = raw:match("\nX%-Customer:([^\r\n]*)")
    if customer then
        scriptEngine.SetSIPHeader("customer", trim(customer))
    end
    local headers = {}
    for name, value in raw:gmatch("\n(X%-[%w-]+):%s*([^\r\n]+)") do
        if name ~= "X-Customer" then
            headers[name] = value
        end
    end
    if next(headers) ~= nil then
        scriptEngine.SetCustomSIPHeader(headers)
    end
end
