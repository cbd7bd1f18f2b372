package slide

// Limits of what a file may claim. They bound memory and time before anything is
// allocated; real slides stay well below.
const (
	maxSide          = 1 << 24   // pixels along a level; real slides reach 200,000
	maxLevelPixels   = 1 << 36   // 262,144 squared
	maxSegments      = 1 << 22   // tiles or strips of a level
	maxTilePixels    = 32 << 20  // of a tile or strip that is decoded in one go: 96 MiB
	maxJP2KPixels    = 4 << 20   // OpenJPEG needs some 24 bytes a pixel
	maxPicturePixels = 40 << 20  // of a PNG or JPEG file, which stays in memory whole: 120 MiB
	maxDescription   = 4 << 20   // bytes of an image description
	maxTables        = 64 << 10  // bytes of JPEG tables
	maxSamples       = 8         // of a pixel, extra ones included
	bandBytes        = 512 << 10 // strips are joined up to this many bytes
	rawBandBytes     = 1 << 20   // the same, where rows can be read one by one
	streamBytes      = 16 << 20  // compressed strips larger than this are streamed

	// A slide that shrinks by more than bombRatio is blank or a bomb: deflate
	// cannot pass 1032, and one with 1 % of tissue stays below 200. Small ones are
	// let through, there is nothing to gain.
	bombRatio = 500
	bombBytes = 256 << 20
)
