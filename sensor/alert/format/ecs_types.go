package format

// The documents of ecs.go, in the order of writing. What is empty is left out.

type ecsDocument struct {
	Timestamp   Time        `json:"@timestamp"`
	ECS         ecsECS      `json:"ecs"`
	Message     string      `json:"message"`
	Event       ecsEvent    `json:"event"`
	Rule        ecsRule     `json:"rule"`
	Threat      ecsThreat   `json:"threat"`
	Source      ecsEndpoint `json:"source"`
	Destination ecsEndpoint `json:"destination"`
	Network     ecsNetwork  `json:"network"`
	Host        ecsHost     `json:"host"`
	DNS         *ecsDNS     `json:"dns,omitempty"`
	TLS         *ecsTLS     `json:"tls,omitempty"`
	URL         *ecsURL     `json:"url,omitempty"`
	HTTP        *ecsHTTP    `json:"http,omitempty"`
	UserAgent   *ecsAgent   `json:"user_agent,omitempty"`
	Related     ecsRelated  `json:"related"`
	Observer    ecsObserver `json:"observer"`
	Own         ecsOwn      `json:"rmmwatch"`
}

type ecsECS struct {
	Version string `json:"version"`
}

type ecsEvent struct {
	Kind          string   `json:"kind"`
	Category      []string `json:"category"`
	Type          []string `json:"type"`
	Action        string   `json:"action"`
	ID            string   `json:"id"`
	Code          string   `json:"code"`
	Module        string   `json:"module"`
	Dataset       string   `json:"dataset"`
	Provider      string   `json:"provider"`
	Reason        string   `json:"reason"`
	Severity      int      `json:"severity"`
	RiskScore     float64  `json:"risk_score"`
	RiskScoreNorm float64  `json:"risk_score_norm"`
	Start         Time     `json:"start"`
	End           Time     `json:"end"`
	Duration      *int64   `json:"duration,omitempty"`
}

type ecsRule struct {
	ID          string `json:"id,omitempty"`
	Name        string `json:"name"`
	Category    string `json:"category,omitempty"`
	Description string `json:"description,omitempty"`
	Ruleset     string `json:"ruleset"`
}

type ecsThreat struct {
	Framework string       `json:"framework,omitempty"`
	Tactic    ecsNamed     `json:"tactic,omitzero"`
	Technique ecsTechnique `json:"technique,omitzero"`
	Software  ecsSoftware  `json:"software"`
}

type ecsNamed struct {
	ID        []string `json:"id,omitempty"`
	Name      []string `json:"name,omitempty"`
	Reference []string `json:"reference,omitempty"`
}

// IsZero tells encoding/json what to leave out.
func (n ecsNamed) IsZero() bool { return len(n.ID) == 0 }

type ecsTechnique struct {
	ecsNamed
	Sub *ecsNamed `json:"subtechnique,omitempty"`
}

type ecsSoftware struct {
	Name string `json:"name,omitempty"`
	Type string `json:"type"`
}

type ecsEndpoint struct {
	Address string  `json:"address"`
	IP      string  `json:"ip"`
	Port    uint16  `json:"port"`
	Domain  string  `json:"domain,omitempty"`
	Bytes   *int64  `json:"bytes,omitempty"`
	Geo     *ecsGeo `json:"geo,omitempty"`
	AS      *ecsAS  `json:"as,omitempty"`
}

type ecsGeo struct {
	Country string `json:"country_iso_code"`
}

type ecsAS struct {
	Number       uint32 `json:"number"`
	Organization struct {
		Name string `json:"name,omitempty"`
	} `json:"organization,omitzero"`
}

type ecsNetwork struct {
	Type        string  `json:"type"`
	Transport   string  `json:"transport"`
	IANA        string  `json:"iana_number,omitempty"`
	Protocol    string  `json:"protocol,omitempty"`
	Direction   string  `json:"direction"`
	CommunityID string  `json:"community_id"`
	VLAN        ecsVLAN `json:"vlan,omitzero"`
}

type ecsVLAN struct {
	ID string `json:"id"`
}

type ecsHost struct {
	IP       []string `json:"ip"`
	Name     string   `json:"name,omitempty"`
	Hostname string   `json:"hostname,omitempty"`
}

type ecsDNS struct {
	Type     string      `json:"type"`
	Question ecsQuestion `json:"question"`
}

type ecsQuestion struct {
	Name string `json:"name"`
}

type ecsTLS struct {
	Client ecsTLSClient `json:"client,omitzero"`
	Server ecsTLSServer `json:"server,omitzero"`
}

type ecsTLSClient struct {
	ServerName string `json:"server_name,omitempty"`
	JA3        string `json:"ja3,omitempty"`
}

type ecsTLSServer struct {
	X509 ecsX509 `json:"x509,omitzero"`
}

// IsZero tells encoding/json what to leave out.
func (s ecsTLSServer) IsZero() bool { return s.X509.IsZero() }

type ecsX509 struct {
	AlternativeNames []string `json:"alternative_names,omitempty"`
	Subject          ecsDN    `json:"subject,omitzero"`
}

// IsZero tells encoding/json what to leave out.
func (x ecsX509) IsZero() bool { return len(x.AlternativeNames) == 0 && x.Subject == ecsDN{} }

type ecsDN struct {
	DistinguishedName string `json:"distinguished_name"`
}

type ecsURL struct {
	Domain string `json:"domain,omitempty"`
	Path   string `json:"path,omitempty"`
}

type ecsHTTP struct {
	Request ecsRequest `json:"request"`
}

type ecsRequest struct {
	Method string `json:"method"`
}

type ecsAgent struct {
	Original string `json:"original"`
}

type ecsRelated struct {
	IP    []string `json:"ip"`
	Hosts []string `json:"hosts,omitempty"`
}

type ecsObserver struct {
	Vendor  string `json:"vendor"`
	Product string `json:"product"`
	Type    string `json:"type"`
}

// ecsOwn is our namespace.
type ecsOwn struct {
	State      string         `json:"state"`
	Kind       string         `json:"kind"`
	Severity   string         `json:"severity"`
	Verdict    string         `json:"verdict"`
	Reason     string         `json:"reason,omitempty"`
	News       []string       `json:"news,omitempty"`
	OtherTools []string       `json:"other_tools,omitempty"`
	Confidence string         `json:"confidence"`
	Tool       ecsTool        `json:"tool"`
	Inbound    bool           `json:"inbound"`
	Peer       string         `json:"peer"`
	Flows      int            `json:"flows"`
	Bytes      *ecsBytes      `json:"bytes,omitempty"`
	Tunnel     string         `json:"tunnel,omitempty"`
	Capture    ecsCapture     `json:"capture"`
	Tenants    []string       `json:"tenants,omitempty"`
	Roles      []string       `json:"roles,omitempty"`
	Indicators []string       `json:"indicators"`
	Advisories []string       `json:"advisories,omitempty"`
	Guidance   string         `json:"guidance,omitempty"`
	Lookalikes []ecsLookalike `json:"lookalike,omitempty"`
	Sessions   []string       `json:"sessions,omitempty"`
	Evidence   []ecsEvidence  `json:"evidence"`
	Unkept     int64          `json:"evidence_unkept,omitempty"`
}

type ecsLookalike struct {
	Brand     string `json:"brand"`
	Technique string `json:"technique"`
	Domain    string `json:"domain"`
}

type ecsTool struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Vendor string `json:"vendor,omitempty"`
	Class  string `json:"class,omitempty"`
	LOLRMM string `json:"lolrmm,omitempty"`
}

type ecsBytes struct {
	Up   int64 `json:"up"`
	Down int64 `json:"down"`
}

type ecsCapture struct {
	File   string `json:"file,omitempty"`
	Packet int64  `json:"packet"`
}

type ecsEvidence struct {
	Kind        string     `json:"kind"`
	Indicator   string     `json:"indicator"`
	Role        string     `json:"role,omitempty"`
	Confidence  string     `json:"confidence"`
	Value       string     `json:"value"`
	Tenant      string     `json:"tenant,omitempty"`
	Count       int64      `json:"count"`
	First       Time       `json:"first"`
	Last        Time       `json:"last"`
	Capture     ecsCapture `json:"capture"`
	LastPacket  int64      `json:"last_packet"`
	CommunityID string     `json:"community_id"`
	Peer        string     `json:"peer"`
	Tunnel      string     `json:"tunnel,omitempty"`
}
