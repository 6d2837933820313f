package format

// The events of ocsf.go, in the order of writing. What is empty is left out.

type ocsfEvent struct {
	ClassUID     int              `json:"class_uid"`
	ClassName    string           `json:"class_name"`
	CategoryUID  int              `json:"category_uid"`
	CategoryName string           `json:"category_name"`
	ActivityID   int              `json:"activity_id"`
	ActivityName string           `json:"activity_name"`
	TypeUID      int              `json:"type_uid"`
	TypeName     string           `json:"type_name"`
	Time         int64            `json:"time"` // this and the other times in milliseconds
	StartTime    int64            `json:"start_time"`
	EndTime      int64            `json:"end_time"`
	SeverityID   int              `json:"severity_id"`
	Severity     string           `json:"severity"`
	ConfidenceID int              `json:"confidence_id"`
	Confidence   string           `json:"confidence"`
	StatusID     int              `json:"status_id"`
	Status       string           `json:"status"`
	IsAlert      bool             `json:"is_alert"`
	Message      string           `json:"message"`
	Count        int64            `json:"count"`
	Metadata     ocsfMetadata     `json:"metadata"`
	Finding      ocsfFinding      `json:"finding_info"`
	Attacks      []ocsfAttack     `json:"attacks,omitempty"`
	Malware      []ocsfMalware    `json:"malware,omitempty"`
	Resources    []ocsfResource   `json:"resources"`
	Evidences    []ocsfEvidence   `json:"evidences"`
	Observables  []ocsfObservable `json:"observables"`
	Remediation  *ocsfRemediation `json:"remediation,omitempty"`
	Unmapped     ocsfUnmapped     `json:"unmapped"`
}

type ocsfMetadata struct {
	Version   string      `json:"version"`
	UID       string      `json:"uid"`
	EventCode string      `json:"event_code"`
	Product   ocsfProduct `json:"product"`
}

type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
}

type ocsfFinding struct {
	UID       string       `json:"uid"`
	Title     string       `json:"title"`
	Desc      string       `json:"desc"`
	Types     []string     `json:"types"`
	FirstSeen int64        `json:"first_seen_time"`
	LastSeen  int64        `json:"last_seen_time"`
	Analytic  ocsfAnalytic `json:"analytic"`
}

type ocsfAnalytic struct {
	TypeID   int    `json:"type_id"`
	Type     string `json:"type"`
	UID      string `json:"uid"`
	Name     string `json:"name"`
	Category string `json:"category,omitempty"`
	Desc     string `json:"desc,omitempty"`
}

type ocsfNamed struct {
	UID  string `json:"uid"`
	Name string `json:"name"`
	URL  string `json:"src_url,omitempty"`
}

type ocsfAttack struct {
	Tactic    *ocsfNamed `json:"tactic,omitempty"`
	Technique ocsfNamed  `json:"technique"`
	Sub       *ocsfNamed `json:"sub_technique,omitempty"`
	Version   string     `json:"version"`
}

type ocsfMalware struct {
	ClassificationIDs []int    `json:"classification_ids"`
	Classifications   []string `json:"classifications"`
	Name              string   `json:"name"`
	UID               string   `json:"uid"`
}

type ocsfResource struct {
	UID      string `json:"uid"`
	IP       string `json:"ip"`
	Hostname string `json:"hostname,omitempty"`
	Type     string `json:"type"`
	RoleID   int    `json:"role_id"`
	Role     string `json:"role"`
}

type ocsfEvidence struct {
	Name        string         `json:"name"`
	UID         string         `json:"uid"`
	Source      ocsfEndpoint   `json:"src_endpoint"`
	Destination ocsfEndpoint   `json:"dst_endpoint"`
	Connection  ocsfConnection `json:"connection_info"`
	Query       *ocsfQuery     `json:"query,omitempty"`
	TLS         *ocsfTLS       `json:"tls,omitempty"`
	Request     *ocsfRequest   `json:"http_request,omitempty"`
	Data        ocsfData       `json:"data"`
}

type ocsfEndpoint struct {
	IP       string `json:"ip"`
	Port     uint16 `json:"port"`
	Hostname string `json:"hostname,omitempty"`
	VLAN     string `json:"vlan_uid,omitempty"`
}

type ocsfConnection struct {
	DirectionID  int    `json:"direction_id"`
	Direction    string `json:"direction"`
	ProtocolNum  int    `json:"protocol_num"`
	Protocol     string `json:"protocol_name"`
	VersionID    int    `json:"protocol_ver_id"`
	Version      string `json:"protocol_ver"`
	CommunityUID string `json:"community_uid"`
	UID          string `json:"uid"`
}

type ocsfQuery struct {
	Hostname string `json:"hostname"`
}

type ocsfTLS struct {
	Version string           `json:"version"`
	SNI     string           `json:"sni,omitempty"`
	JA3     *ocsfFingerprint `json:"ja3_hash,omitempty"`
}

type ocsfFingerprint struct {
	AlgorithmID int    `json:"algorithm_id"`
	Algorithm   string `json:"algorithm"`
	Value       string `json:"value"`
}

type ocsfRequest struct {
	Agent string   `json:"user_agent,omitempty"`
	URL   *ocsfURL `json:"url,omitempty"`
}

type ocsfURL struct {
	Path string `json:"path"`
}

// ocsfData is what OCSF leaves to the product: the attribute is any JSON.
type ocsfData struct {
	Kind       string `json:"kind"`
	Value      string `json:"value"`
	Confidence string `json:"confidence"`
	Role       string `json:"role,omitempty"`
	Tenant     string `json:"tenant,omitempty"`
	Count      int64  `json:"count"`
	First      int64  `json:"first"`
	Last       int64  `json:"last"`
	File       string `json:"file"`
	Packet     int64  `json:"packet"`
	LastPacket int64  `json:"last_packet"`
	Tunnel     string `json:"tunnel,omitempty"`
}

type ocsfObservable struct {
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

type ocsfRemediation struct {
	Desc string `json:"desc"`
}

type ocsfLookalike struct {
	Brand     string `json:"brand"`
	Technique string `json:"technique"`
	Domain    string `json:"domain"`
}

type ocsfUnmapped struct {
	Vendor      string          `json:"vendor,omitempty"`
	LOLRMM      string          `json:"lolrmm,omitempty"`
	SignatureID uint64          `json:"signature_id"`
	Peer        string          `json:"peer"`
	Up          int64           `json:"bytes_up"`
	Down        int64           `json:"bytes_down"`
	Flows       int             `json:"flows"`
	Verdict     string          `json:"verdict"`
	Sessions    []string        `json:"sessions,omitempty"`
	Country     string          `json:"peer_country,omitempty"`
	ASN         uint32          `json:"peer_asn,omitempty"`
	ASOrg       string          `json:"peer_as_org,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	News        []string        `json:"news,omitempty"`
	OtherTools  []string        `json:"other_tools,omitempty"`
	Tenants     []string        `json:"tenants,omitempty"`
	Roles       []string        `json:"roles,omitempty"`
	Indicators  []string        `json:"indicators"`
	Lookalikes  []ocsfLookalike `json:"lookalikes,omitempty"`
	Advisories  []string        `json:"advisories,omitempty"`
	Unkept      int64           `json:"evidence_unkept,omitempty"`
}
