package tiff

// Tags, by the names of TIFF 6.0 and its supplements.
const (
	NewSubfileType      = 254
	ImageWidth          = 256
	ImageLength         = 257
	BitsPerSample       = 258
	Compression         = 259
	Photometric         = 262
	FillOrder           = 266
	ImageDescription    = 270
	StripOffsets        = 273
	SamplesPerPixel     = 277
	RowsPerStrip        = 278
	StripByteCounts     = 279
	XResolution         = 282
	YResolution         = 283
	PlanarConfiguration = 284
	ResolutionUnit      = 296
	Predictor           = 317
	TileWidth           = 322
	TileLength          = 323
	TileOffsets         = 324
	TileByteCounts      = 325
	SubIFDs             = 330
	SampleFormat        = 339
	JPEGTables          = 347
)

// Values of NewSubfileType, bit by bit.
const (
	SubfileReduced = 1
	SubfileMask    = 4
)

// Types of a value. TIFF 6.0, section 2; BigTIFF adds the last three.
const (
	typeByte      = 1
	typeASCII     = 2
	typeShort     = 3
	typeLong      = 4
	typeRational  = 5
	typeSByte     = 6
	typeUndefined = 7
	typeSShort    = 8
	typeSLong     = 9
	typeSRational = 10
	typeFloat     = 11
	typeDouble    = 12
	typeIFD       = 13
	typeLong8     = 16
	typeSLong8    = 17
	typeIFD8      = 18
)

// typeSize returns the bytes of one value, 0 for a type that we do not know.
func typeSize(t uint16) int64 {
	switch t {
	case typeByte, typeASCII, typeSByte, typeUndefined:
		return 1
	case typeShort, typeSShort:
		return 2
	case typeLong, typeSLong, typeFloat, typeIFD:
		return 4
	case typeRational, typeSRational, typeDouble, typeLong8, typeSLong8, typeIFD8:
		return 8
	}
	return 0
}
