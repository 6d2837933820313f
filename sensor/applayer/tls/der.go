package tls

import (
	"math"
	"time"
)

// ASN.1 tags (X.680 section 8.6), as one identifier byte.
const (
	tagInteger         = 0x02
	tagOctetString     = 0x04
	tagOID             = 0x06
	tagUTF8String      = 0x0c
	tagT61String       = 0x14
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagUniversalString = 0x1c
	tagBMPString       = 0x1e
	tagSequence        = 0x30
	tagSet             = 0x31
)

// NoTime stands for a date that cannot be read.
const NoTime = math.MinInt64

// element splits the first element off b (X.690 section 8.1): one tag byte and
// a definite length of up to three bytes, shortest form or not. There is no
// recursion anywhere: callers descend as deep as a certificate's names lie.
func element(b []byte) (tag byte, content, rest []byte, ok bool) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return 0, nil, nil, false
	}
	tag = b[0]
	n, size := int(b[1]), 2
	if n >= 0x80 {
		size += n & 0x7f
		if n == 0x80 || size > 5 || len(b) < size {
			return 0, nil, nil, false
		}
		n = 0
		for _, c := range b[2:size] {
			n = n<<8 | int(c)
		}
	}
	if n > len(b)-size {
		return 0, nil, nil, false
	}
	end := size + n
	return tag, b[size:end:end], b[end:], true
}

// expect splits off an element that must have the tag.
func expect(b []byte, tag byte) (content, rest []byte, ok bool) {
	got, content, rest, ok := element(b)
	if !ok || got != tag {
		return nil, nil, false
	}
	return content, rest, true
}

// unixTime reads a UTCTime or GeneralizedTime as seconds since 1970. Besides
// DER's form it takes what old tools wrote: no seconds, or an offset.
func unixTime(tag byte, b []byte) int64 {
	year, ok := 0, true
	switch tag {
	case tagUTCTime:
		year, b, ok = digits(b, 2)
		if year += 1900; year < 1950 { // RFC 5280 section 4.1.2.5.1
			year += 100
		}
	case tagGeneralizedTime:
		year, b, ok = digits(b, 4)
	default:
		return NoTime
	}
	var part [4]int // month, day, hour, minute
	for i := range part {
		if !ok {
			return NoTime
		}
		part[i], b, ok = digits(b, 2)
	}
	if !ok {
		return NoTime
	}
	second := 0
	if s, rest, ok := digits(b, 2); ok {
		second, b = s, rest
	}
	offset, ok := zone(b)
	month, day, hour, minute := part[0], part[1], part[2], part[3]
	if !ok || hour > 23 || minute > 59 || second > 59 {
		return NoTime
	}
	t := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC)
	if t.Month() != time.Month(month) || t.Day() != day { // time.Date normalizes 31 February
		return NoTime
	}
	return t.Unix() - int64(offset)
}

// zone reads Z or an offset of hours and minutes, in seconds east of UTC.
func zone(b []byte) (offset int, ok bool) {
	if len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != 5 || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	hours, rest, ok1 := digits(b[1:], 2)
	minutes, _, ok2 := digits(rest, 2)
	offset = (hours*60 + minutes) * 60
	if b[0] == '-' {
		offset = -offset
	}
	return offset, ok1 && ok2 && hours < 24 && minutes < 60
}

// digits reads a decimal number of n digits.
func digits(b []byte, n int) (v int, rest []byte, ok bool) {
	if len(b) < n {
		return 0, b, false
	}
	for _, c := range b[:n] {
		if c < '0' || c > '9' {
			return 0, b, false
		}
		v = v*10 + int(c-'0')
	}
	return v, b[n:], true
}
