package intel

import (
	"regexp"
	"strings"
)

// wrong is a name that public lists are known to have wrong. The list was made
// by reading LOLRMM (2026-08), the rules of Sigma, Elastic and Splunk, the
// network indicators of jischell-msft, RMM-Catalogue and maltrail, beside the
// vendors' own names.
type wrong struct {
	name   string // as a pattern; *. in front means with everything below it
	tool   string // only in a tool whose id has this in it; with ! only in others
	reason Reason
	detail string
}

var wrongs = []wrong{
	{"downloads.io", "", Junk, "a slip: the vendor's host is downloads.level.io"},
	{"zmazonaws.com", "", Junk, "a slip of amazonaws.com: somebody else could register it"},
	{"rescue-data-cetner.logmein-gateway.com", "", Junk, "a slip: cetner for center"},
	{"dms.zoho.com.cn", "", Junk, "a slip: a label that begins with a hyphen"},
	{"desktopcentral.manageengine.com.eu", "", Junk, "a slip: com.eu is not the vendor's"},
	{"alpermix.com", "", Junk, "a slip: the vendor is alpemix.com"},
	{"ultraviewer.com", "", Junk, "a slip: the vendor is ultraviewer.net"},
	{"insight", "", Junk, "one word, not a domain"},

	{"login.tailscale.com", "!tailscale", WrongOwner, "Tailscale's"},
	{"atled.syspectr.com", "!syspectr", WrongOwner, "Syspectr's"},
	{"islonline.net", "!isl", WrongOwner, "ISL Online's"},
	{"fleetdm.com", "!fleetdm", WrongOwner, "Fleet's, another product than FleetDeck"},
	{"content.ivanti.com", "!ivanti", WrongOwner, "Ivanti's"},
	{"support.kastentornado.fi", "", WrongOwner, "a customer's own server"},
	{"todesktop.com", "!todesktop", WrongOwner, "another product than ToDesk (todesk.com)"},
	{"basecamp.com", "", WrongOwner, "a project manager, not remote access"},
	{"remoteutilities.com", "!remote", WrongOwner, "Remote Utilities'"},
	{"rl.ammyy.com", "!ammyy", WrongOwner, "Ammyy's"},
	{"demo.tacticalrmm.com", "!tactical", WrongOwner, "Tactical RMM's"},

	{"my-sharepoint-inc.com", "", Attacker, "an intruder's lure (campaign against CFOs, 2025), not NetBird's"},
	{"my1cloudlive.com", "", Attacker, "an intruder's lure (campaign against CFOs, 2025), not NetBird's"},
	{"my2cloudlive.com", "", Attacker, "an intruder's lure (campaign against CFOs, 2025), not NetBird's"},
	{"web-16fe.app", "", Attacker, "an intruder's lure (campaign against CFOs, 2025), not NetBird's"},
	{"googl-6c11f.web.app", "", Attacker, "an intruder's lure (campaign against CFOs, 2025), not NetBird's"},
	{"cloud-233f9.firebaseapp.com", "", Attacker, "an intruder's lure (campaign against CFOs, 2025), not NetBird's"},
	{"dronemaker.org", "", Attacker, "an intruder's SimpleHelp server (Huntress, 2026)"},
	{"telesupportgroup.com", "", Attacker, "an intruder's SimpleHelp server (Huntress, 2026)"},
	{"microuptime.com", "", Attacker, "an intruder's SimpleHelp server (Huntress, 2026)"},
	{"c.mid.al", "", Attacker, "an intruder's Nezha server (Huntress, 2025)"},
	{"gd.bj2.xyz", "", Attacker, "an intruder's server (Huntress, 2025)"},
	{"rism.pages.dev", "", Attacker, "an intruder's server (Huntress, 2025)"},
	{"mymeetinggoogle.com", "", Attacker, "an intruder's lure, not Lunixar's"},
}

// portals are sites where anything can be downloaded or read; names below them
// say nothing of a tool.
var portals = []string{"archive.org", "cnet.com", "filehippo.com", "informer.com", "majorgeeks.com", "nate.com", "softonic.com",
	"softpedia.com", "sourceforge.net", "uptodown.com", "wikipedia.org", "youtube.com", "apple.com", "facebook.com", "twitter.com"}

// sharedNames are single hosts that serve everybody, below domains where other
// hosts are one owner's.
var sharedNames = []string{"github.com", "api.github.com", "codeload.github.com", "gist.github.com", "raw.githubusercontent.com",
	"objects.githubusercontent.com", "release-assets.githubusercontent.com", "gist.githubusercontent.com", "ghcr.io", "gitlab.com", "bitbucket.org",
	"login.microsoftonline.com", "login.live.com", "login.windows.net", "graph.microsoft.com", "graph.windows.net", "management.azure.com",
	"management.core.windows.net", "go.microsoft.com", "download.microsoft.com", "aadcdn.msauth.net", "www.microsoft.com", "apps.microsoft.com",
	"google.com", "www.google.com", "accounts.google.com", "apis.google.com", "play.google.com", "chrome.google.com", "chromewebstore.google.com",
	"oauth2.googleapis.com", "www.googleapis.com", "storage.googleapis.com", "fcm.googleapis.com", "fonts.googleapis.com",
	"instantmessaging-pa.googleapis.com", "docker.io", "hub.docker.com", "registry-1.docker.io", "registry.npmjs.org", "pypi.org",
	"t.me", "api.telegram.org", "discord.com", "cdn.discordapp.com", "pastebin.com", "dl.dropboxusercontent.com", "drive.google.com"}

// vendorWide are domains on which a vendor does much else: alone or with
// everything below them they do not mean the tool.
var vendorWide = []string{"adobe.com", "amazon.com", "box.com", "cisco.com", "connectwise.com", "datto.com", "electric.ai", "ivanti.com",
	"jumpcloud.com", "manageengine.com", "microsoft.com", "oray.com", "synology.com", "vnc.com", "vmware.com", "yandex.com",
	"zoho.com", "zoho.com.au", "zoho.com.cn", "zoho.eu", "zoho.in", "zoho.jp", "zohocorp.com"}

// Endpoints of cloud services that every customer of a region shares.
var awsRE = regexp.MustCompile(`^([a-z0-9-]+\.[a-z]{2}(-[a-z]+)+-[0-9]|s3[a-z0-9.-]*|sts|iam)\.amazonaws\.com$`)

// judge tells what is known to be wrong with a pattern in the rules of tool.
func judge(tool, pattern string) (Reason, string) {
	name := strings.TrimPrefix(pattern, "*.")
	for _, w := range wrongs {
		if !below(name, w.name) {
			continue
		}
		other, not := strings.CutPrefix(w.tool, "!")
		if w.tool == "" || strings.Contains(tool, other) != not {
			return w.reason, w.detail
		}
	}
	for _, p := range portals {
		if below(name, p) {
			return Shared, "on " + p + " anything is found, not only this tool"
		}
	}
	for _, h := range sharedNames {
		if name == h {
			return Shared, "everybody uses " + h
		}
	}
	if awsRE.MatchString(name) {
		return Shared, "an endpoint that all customers of Amazon's share"
	}
	for _, d := range vendorWide {
		if name == d {
			return Shared, "its vendor does much else on " + d
		}
	}
	return "", ""
}

func below(name, domain string) bool {
	return name == domain || strings.HasSuffix(name, "."+domain)
}
