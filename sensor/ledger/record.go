package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
)

// A record is one entry. Its key is the address in 16 bytes (IPv4 mapped), VLAN
// and tunnel id big endian, and the tunnel's name behind its length; the rest is
// the tool's id. So records are in the order of their hosts. Its value begins with the
// version of the layout; then come class, span, volume and lists as varints and
// counted texts, and a CRC-32C of key and value: bbolt checks no data page.
const recordVersion = 1

const keyHead = 16 + 2 + 4 + 1 // of a key, before the tunnel's name

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func keyOf(e *Entry) []byte {
	a := e.Host.Addr.As16()
	k := make([]byte, 0, keyHead+len(e.Host.Tunnel)+len(e.Tool))
	k = append(k, a[:]...)
	k = binary.BigEndian.AppendUint16(k, e.Host.VLAN)
	k = binary.BigEndian.AppendUint32(k, e.Host.TunnelID)
	k = append(k, byte(len(e.Host.Tunnel)))
	k = append(k, e.Host.Tunnel...)
	return append(k, e.Tool...)
}

// encode returns e as it is stored.
func encode(e *Entry) (key, value []byte) {
	key = keyOf(e)
	v := []byte{recordVersion}
	v = appendText(v, e.Class)
	v = appendSpan(v, &e.Span)
	v = binary.AppendUvarint(v, e.Up)
	v = binary.AppendUvarint(v, e.Down)
	for _, l := range [...]*List{&e.Verdicts, &e.Tenants, &e.Relays} {
		v = binary.AppendUvarint(v, l.More)
		v = binary.AppendUvarint(v, uint64(len(l.Items)))
		for i := range l.Items {
			v = appendText(v, l.Items[i].Value)
			v = appendSpan(v, &l.Items[i].Span)
		}
	}
	return key, binary.BigEndian.AppendUint32(v, checksum(key, v))
}

func checksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

func appendText(v []byte, s string) []byte {
	return append(binary.AppendUvarint(v, uint64(len(s))), s...)
}

func appendSpan(v []byte, s *Span) []byte {
	v = binary.AppendVarint(v, s.First)
	v = binary.AppendUvarint(v, uint64(s.Last)-uint64(s.First))
	v = binary.AppendUvarint(v, uint64(s.Days))
	return binary.AppendUvarint(v, s.recent)
}

var (
	errShort    = errors.New("it ends too early")
	errChecksum = errors.New("the checksum is wrong")
)

// decode is encode's opposite. Nothing in the entry points into its arguments.
func decode(key, value []byte) (*Entry, error) {
	if len(value) < 5 {
		return nil, errShort
	}
	end := len(value) - 4
	if binary.BigEndian.Uint32(value[end:]) != checksum(key, value[:end]) {
		return nil, errChecksum
	}
	if value[0] != recordVersion {
		return nil, fmt.Errorf("layout %d is unknown", value[0])
	}
	e := &Entry{}
	if err := decodeKey(key, e); err != nil {
		return nil, err
	}
	r := recordReader{b: value[1:end]}
	e.Class = r.text()
	e.Span = r.span()
	e.Up, e.Down = r.uvarint(), r.uvarint()
	r.list(&e.Verdicts, maxVerdicts)
	r.list(&e.Tenants, maxTenants)
	r.list(&e.Relays, maxRelays)
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return nil, r.err
	}
	return e, nil
}

func decodeKey(key []byte, e *Entry) error {
	if len(key) <= keyHead || len(key) <= keyHead+int(key[keyHead-1]) {
		return errShort
	}
	e.Host = Host{
		Addr: netip.AddrFrom16([16]byte(key)).Unmap(),
		VLAN: binary.BigEndian.Uint16(key[16:]), TunnelID: binary.BigEndian.Uint32(key[18:]),
	}
	rest := key[keyHead:]
	n := int(key[keyHead-1])
	e.Host.Tunnel, e.Tool = string(rest[:n]), string(rest[n:])
	if text(e.Host.Tunnel) != e.Host.Tunnel || text(e.Tool) != e.Tool {
		return errors.New("its key is no text")
	}
	return nil
}

// recordReader reads a record up to the first mistake.
type recordReader struct {
	b   []byte
	err error
}

func (r *recordReader) fail(err error) {
	r.b = nil
	if r.err == nil {
		r.err = err
	}
}

func (r *recordReader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *recordReader) text() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.fail(errShort)
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	if text(s) != s {
		r.fail(errors.New("a value is not printable, or too long"))
	}
	return s
}

func (r *recordReader) span() Span {
	s := Span{First: r.varint()}
	s.Last = int64(uint64(s.First) + r.uvarint())
	days := r.uvarint()
	s.Days, s.recent = uint32(days), r.uvarint()
	if r.err == nil && (uint64(s.Days) != days || !s.valid()) {
		r.fail(errors.New("its times contradict each other"))
	}
	return s
}

func (r *recordReader) list(l *List, limit int) {
	l.More = r.uvarint()
	n := r.uvarint()
	if n > uint64(limit) {
		r.fail(fmt.Errorf("%d values are too many", n))
		return
	}
	for range n {
		s := Seen{Value: r.text()}
		s.Span = r.span()
		if r.err != nil {
			return
		}
		l.Items = append(l.Items, s)
	}
}
