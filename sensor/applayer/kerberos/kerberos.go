package kerberos

import "encoding/binary"

// Status is what Parse made of the bytes. Malformed input is a status to be
// counted, never an error.
type Status uint8

const (
	NotKerberos Status = iota // not a request of Kerberos 5
	Malformed                 // begins like one and then breaks the format; what was read before counts
	Partial                   // ends before its length says; what was read before counts
	Done
)

// Message types (RFC 4120 section 7.5.7).
const (
	ASRequest  = 10
	TGSRequest = 12
)

// addrNetBIOS is the type of an address that is a NetBIOS name (section 7.5.3).
const addrNetBIOS = 20

// Request is a parsed request. The slices alias the bytes given to Parse.
type Request struct {
	Type   uint8  // ASRequest or TGSRequest
	Client []byte // the first component of cname; nil where the request has none
	Realm  []byte
	// NetBIOS is the name that the host has among its addresses, padded with spaces
	// to 15 bytes and mostly followed by a byte for its kind; nil where there is none.
	NetBIOS []byte
}

// Machine returns the host's own name as the request tells it: that of a machine
// account (NAME$) without its sign, else the NetBIOS name without padding; nil
// for none.
func (r *Request) Machine() []byte {
	if n := len(r.Client) - 1; n > 0 && r.Client[n] == '$' {
		return r.Client[:n:n]
	}
	b := r.NetBIOS[:min(len(r.NetBIOS), 15)]
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == 0) {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return nil
	}
	return b
}

// Stream is Parse for the first bytes of a TCP direction, where four bytes of
// length come before the message (section 7.2.2).
func Stream(b []byte, r *Request) Status {
	*r = Request{}
	if len(b) < 4 {
		return Partial
	}
	n := binary.BigEndian.Uint32(b)
	if n < 8 || n > 1<<20 {
		return NotKerberos
	}
	if b = b[4:]; uint64(len(b)) > uint64(n) {
		b = b[:n]
	}
	return Parse(b, r)
}

// Parse reads the payload of a datagram, or one message of a stream as far as it
// is there, into r.
func Parse(b []byte, r *Request) Status {
	*r = Request{}
	if len(b) == 0 {
		return Partial
	}
	if b[0] != 0x60|ASRequest && b[0] != 0x60|TGSRequest {
		return NotKerberos
	}
	c := cursor{b, true}
	outer, st := c.next()
	if st != Done {
		return none(st)
	}
	c = outer.inside()
	req, st := c.want(tagSequence)
	if st != Done {
		return none(st)
	}
	return r.request(req.inside(), b[0]&0x1f)
}

// none is NotKerberos for what is broken before anything showed that this is
// Kerberos.
func none(st Status) Status {
	if st == Malformed {
		return NotKerberos
	}
	return st
}

// Tags of ASN.1 as they stand in DER.
const (
	tagOctets   = 0x04
	tagString   = 0x1b // GeneralString, as KerberosString is
	tagSequence = 0x30
	tagField    = 0xa0 // and the number of the field
)

// request reads KDC-REQ (section 5.4.1): version, type, padata, body.
func (r *Request) request(c cursor, typ uint8) Status {
	if st := c.integer(tagField+1, 5); st != Done {
		return none(st)
	}
	if st := c.integer(tagField+2, typ); st != Done {
		return none(st)
	}
	r.Type = typ
	e, st := c.next()
	if st == Done && e.tag == tagField+3 {
		e, st = c.next()
	}
	if st != Done {
		return st
	}
	if e.tag != tagField+4 {
		return Malformed
	}
	c = e.inside()
	body, st := c.want(tagSequence)
	if st != Done {
		return st
	}
	return r.body(body.inside())
}

// body reads KDC-REQ-BODY, whose fields come in the order of their numbers.
func (r *Request) body(c cursor) Status {
	for last := byte(0); len(c.rest) > 0; {
		e, st := c.next()
		if st != Done {
			return st
		}
		if e.tag < tagField || e.tag > tagField+11 || e.tag <= last {
			return Malformed
		}
		last = e.tag
		switch e.tag {
		case tagField + 1:
			r.Client, st = principal(e.inside())
		case tagField + 2:
			r.Realm, st = e.only(tagString)
		case tagField + 9:
			r.NetBIOS, st = netbios(e.inside())
		}
		if st != Done {
			return st
		}
	}
	if c.cut {
		return Partial
	}
	return Done
}

// principal returns the first component of a PrincipalName (section 5.2.2).
func principal(c cursor) ([]byte, Status) {
	seq, st := c.want(tagSequence)
	if st != Done {
		return nil, st
	}
	c = seq.inside()
	if _, st := c.want(tagField); st != Done { // its type: of machines the same as of people
		return nil, st
	}
	list, st := c.want(tagField + 1)
	if st != Done {
		return nil, st
	}
	c = list.inside()
	names, st := c.want(tagSequence)
	if st != Done {
		return nil, st
	}
	return names.only(tagString)
}

// netbios returns the NetBIOS name among HostAddresses (section 5.2.5); nil where
// there are only addresses.
func netbios(c cursor) ([]byte, Status) {
	seq, st := c.want(tagSequence)
	if st != Done {
		return nil, st
	}
	for c = seq.inside(); len(c.rest) > 0; {
		host, st := c.want(tagSequence)
		if st != Done {
			return nil, st
		}
		in := host.inside()
		typ, st := in.want(tagField)
		if st != Done {
			return nil, st
		}
		kind, st := typ.only(0x02)
		if st != Done {
			return nil, st
		}
		value, st := in.want(tagField + 1)
		if st != Done {
			return nil, st
		}
		text, st := value.only(tagOctets)
		if st != Done {
			return nil, st
		}
		if len(kind) == 1 && kind[0] == addrNetBIOS {
			return text, Done
		}
	}
	if c.cut {
		return nil, Partial
	}
	return nil, Done
}
