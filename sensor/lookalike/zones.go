package lookalike

import "strings"

// zone is what names below a domain are.
type zone uint8

const (
	owned      zone = 1 + iota // a vendor's own
	internal                   // not of the public DNS
	tenancy                    // a service names its customers' pages; a brand there is the customer
	reputation                 // names are asked for in order to judge them: they stand before the list's own
	carrier                    // a network delivers its customers' names under its own
)

// zones is what is known of domains: the owned ones, and those below.
func zones(mine []string) map[string]zone {
	m := map[string]zone{}
	for _, list := range []struct {
		zone  zone
		names []string
	}{
		{tenancy, strings.Fields(tenancies)}, {reputation, strings.Fields(reputations)}, {carrier, strings.Fields(carriers)},
		{internal, strings.Fields(internals)}, {owned, mine},
	} {
		for _, name := range list.names {
			m[name] = list.zone
		}
	}
	return m
}

const (
	// Special-use names of RFC 6761, 6762, 7686, 8375 and 9476, reverse zones, and what ICANN will not
	// delegate since so many networks use it. Any other suffix that is not on the public suffix list is
	// somebody's own as well; .example of documentations is one.
	internals = `local localhost localdomain internal intranet private lan home corp home.arpa in-addr.arpa ip6.arpa
		test invalid example onion alt`

	// Suites whose customers are firms: a vendor's own campaigns and accounts have its
	// name there, and nobody gets one without a contract.
	tenancies = `omtrdc.net 2o7.net demdex.net evergage.com mktoresp.com mktoweb.com mktossl.com marketo.net my.salesforce.com
		salesforce.com force.com salesforce-sites.com service-now.com okta.com oktapreview.com auth0.com atlassian.net
		onetrust.com cookielaw.org qualtrics.com eloqua.com en25.com pardot.com hubspot.com adobedc.net`

	// Lists of addresses and domains that mail servers and filters ask about what they
	// were sent, and scanners that ask in their own names.
	reputations = `spamhaus.org spamhaus.net dq.spamhaus.net surbl.org uribl.com spamcop.net sorbs.net barracudacentral.org
		mailspike.net spameatingmonkey.net senderscore.com abuseat.org invaluement.com rspamd.com mailshell.net sophosxl.net
		mcafee.com trendmicro.com e5.sk esetsoftware.com webcfs00.com cloudmark.com habeas.com dnswl.org support-intelligence.net
		avqs.mcafee.com avts.mcafee.com bitdefender.net kaspersky-labs.com fortiguard.net fortinet.net`

	// Networks that deliver the name that stands before theirs.
	carriers = `edgekey.net edgesuite.net akamai.net akamaiedge.net akamaized.net akamaihd.net akadns.net cdn.cloudflare.net
		cloudflare.net fastly.net fastlylb.net cdngc.net footprint.net edgecastcdn.net incapdns.net cdn77.org`
)
