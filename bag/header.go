package bag

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"

	"bcc/fault"
	"bcc/wsi"
)

// formatVersion is the version of the file that this program writes and reads.
const formatVersion = 1

// magic begins every bag. The line ends tell of a copy that took it for text.
const magic = "BCCBAG\r\n"

// Places in the header; what lies between the last field and the sum is zero.
const (
	versionAt   = 8  // uint32
	lengthAt    = 12 // uint32, of the header
	dimsAt      = 16 // uint32
	countAt     = 20 // uint32
	perBlockAt  = 24 // uint32, rows a block
	slideAt     = 32 // 32 bytes
	encoderAt   = 64
	mppAt       = 96  // float64 across, down
	slideSizeAt = 112 // uint32 width, height
	overlapAt   = 120 // float64
	minTissueAt = 128
	overrideAt  = 136
	fieldsEnd   = 144
	sumAt       = 224 // 32 bytes
	headerBytes = 256
)

// Sizes of what follows the header, in bytes.
const (
	placeBytes = 16 // a patch
	halfBytes  = 2  // a number of an embedding
	blockBytes = 64 << 10
)

// What lies beyond these is a broken header, not a slide.
const (
	maxDims  = 1 << 16
	maxCount = 1 << 26
	maxSide  = math.MaxInt32
)

// header is what the file says of its own form.
type header struct {
	count    int
	perBlock int // rows a block
	dims     int
	sum      [32]byte
}

func newHeader(dims, count int) header {
	return header{count: count, dims: dims, perBlock: max(blockBytes/(halfBytes*dims), 1)}
}

func (h header) blocks() int     { return (h.count + h.perBlock - 1) / h.perBlock }
func (h header) placesAt() int64 { return headerBytes + 4*int64(1+h.blocks()) }
func (h header) blocksAt() int64 { return h.placesAt() + placeBytes*int64(h.count) }
func (h header) size() int64     { return h.blocksAt() + halfBytes*int64(h.count)*int64(h.dims) }

// bytes returns the header but for its sum.
func (h header) bytes(info Info) []byte {
	raw := make([]byte, headerBytes)
	le := binary.LittleEndian
	copy(raw, magic)
	for at, v := range map[int]int{versionAt: formatVersion, lengthAt: headerBytes, dimsAt: h.dims, countAt: h.count,
		perBlockAt: h.perBlock, slideSizeAt: info.Size.W, slideSizeAt + 4: info.Size.H} {
		le.PutUint32(raw[at:], uint32(v))
	}
	for at, v := range map[int]float64{mppAt: info.MPP.X, mppAt + 8: info.MPP.Y,
		overlapAt: info.Overlap, minTissueAt: info.MinTissue, overrideAt: info.MPPOverrideUM} {
		le.PutUint64(raw[at:], math.Float64bits(v))
	}
	_, _ = hex.Decode(raw[slideAt:slideAt+32], []byte(info.Slide)) // both were validated
	_, _ = hex.Decode(raw[encoderAt:encoderAt+32], []byte(info.Encoder))
	return raw
}

// parseHeader reads a header and refuses what no run of this program can have
// written. The sum is for the caller to compare.
func parseHeader(raw []byte) (Info, header, error) {
	le := binary.LittleEndian
	if !bytes.HasPrefix(raw, []byte(magic)) {
		return Info{}, header{}, fault.New(fault.Corrupt, "not a bag")
	}
	if v := le.Uint32(raw[versionAt:]); v != formatVersion {
		return Info{}, header{}, fault.New(fault.Unsupported, "bag of format version %d, this program reads %d", v, formatVersion)
	}
	u := func(at int) int { return int(le.Uint32(raw[at:])) }
	f := func(at int) float64 { return math.Float64frombits(le.Uint64(raw[at:])) }
	info := Info{
		Slide: hex.EncodeToString(raw[slideAt : slideAt+32]), Encoder: hex.EncodeToString(raw[encoderAt : encoderAt+32]),
		Dims: u(dimsAt), Size: wsi.Size{W: u(slideSizeAt), H: u(slideSizeAt + 4)},
		MPP:        wsi.MPP{X: f(mppAt), Y: f(mppAt + 8)},
		Parameters: Parameters{Overlap: f(overlapAt), MinTissue: f(minTissueAt), MPPOverrideUM: f(overrideAt)},
	}
	h := header{count: u(countAt), dims: info.Dims, perBlock: u(perBlockAt)}
	copy(h.sum[:], raw[sumAt:])
	err := info.validate(h.count)
	if err == nil && h.perBlock != newHeader(h.dims, h.count).perBlock {
		err = fmt.Errorf("%d rows a block", h.perBlock)
	}
	if err == nil && u(lengthAt) != headerBytes {
		err = fmt.Errorf("a header of %d bytes", u(lengthAt))
	}
	if gap := bytes.Trim(raw[fieldsEnd:sumAt], "\x00"); err == nil && len(gap) > 0 {
		err = errors.New("bytes where none belong")
	}
	if err != nil {
		return Info{}, header{}, fault.New(fault.Corrupt, "bag: header: %w", err)
	}
	return info, h, nil
}

// validate returns every problem at once.
func (i Info) validate(count int) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for name, digest := range map[string]string{"slide": i.Slide, "encoder": i.Encoder} {
		if b, err := hex.DecodeString(digest); err != nil || len(b) != 32 {
			bad("the %s's digest %.80q is no SHA-256", name, digest)
		}
	}
	if i.Dims < 1 || i.Dims > maxDims || count < 0 || count > maxCount {
		bad("%d embeddings of %d numbers: want up to %d of 1 to %d", count, i.Dims, maxCount, maxDims)
	}
	if i.Size.W < 1 || i.Size.H < 1 || i.Size.W > maxSide || i.Size.H > maxSide {
		bad("a slide of %v pixels", i.Size)
	}
	if !i.MPP.Valid() {
		bad("a scale of %v, %v µm", i.MPP.X, i.MPP.Y)
	}
	if p := i.Parameters; !(p.Overlap >= 0 && p.Overlap < 1 && p.MinTissue >= 0 && p.MinTissue <= 1 && p.MPPOverrideUM >= 0 && p.MPPOverrideUM <= 100) {
		bad("overlap %v, least tissue %v, given scale %v", p.Overlap, p.MinTissue, p.MPPOverrideUM)
	}
	return errors.Join(errs...)
}
