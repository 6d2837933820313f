package capture

import (
	"time"

	"github.com/google/gopacket"
)

var _ gopacket.ZeroCopyPacketDataSource = (*Files)(nil)

// ZeroCopyReadPacketData returns the next frame the way gopacket's programs
// want it; the data is valid until the next call. After a *DamageError the next
// call goes on with the next file. It may be mixed with ReadBatch. The frame's
// link type, which gopacket has no field for, is what LinkType says then.
func (f *Files) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	if _, err := f.ReadBatch(f.one[:]); err != nil {
		return nil, gopacket.CaptureInfo{}, err
	}
	frame := &f.one[0]
	return frame.Data, gopacket.CaptureInfo{
		Timestamp:     time.Unix(0, frame.Time).UTC(),
		CaptureLength: len(frame.Data),
		Length:        int(frame.WireLen),
	}, nil
}

// LinkType is the LINKTYPE_ number of the frame that ZeroCopyReadPacketData
// returned last. It can differ from frame to frame.
func (f *Files) LinkType() uint32 { return f.one[0].Link }
