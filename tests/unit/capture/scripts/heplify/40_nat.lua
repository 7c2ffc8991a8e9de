-- Telephones behind NAT write their own address as the domain.
function normalise()
	local hep = GetHEPStruct()
	local sip = hep.SIP
	if not sip then return end
	local domain = domains[hep.SrcIP]
	if domain and sip.FromHost:match("^%d+%.%d+%.%d+%.%d+$") then
		sip.FromHost = domain
		Logp("INFO", "domain of " .. sip.FromUser, domain)
	end
	if starts_with(sip.UserAgent, "Phone/") then
		sip.UserAgent = "phone"
	end
end
