package bench

import (
	"bytes"
	"image"
	"image/jpeg"
	"strconv"

	"bcc/fault"
	"bcc/synth"
	"bcc/wsi"
)

// pictureQuality is what scanners and laboratories use: about 15 kB a patch of 224 px.
const pictureQuality = 85

// Pictures returns n JPEG files of px×px: patches of synthetic tissue at 0.5 µm a
// pixel. The same n and px give the same bytes. Each has room for a stamp.
func Pictures(n, px int) ([][]byte, error) {
	cfg := synth.DefaultConfig()
	cfg.Seed, cfg.BCC = 224, true
	side := min(max(12*px, 2048), 40_000)
	cfg.Size = wsi.Size{W: side, H: side}
	scene, err := synth.New(cfg)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	rgb, mask := make([]byte, 3*px*px), make([]byte, px*px)
	for y := 0; y+px <= side && len(out) < n; y += px {
		for x := 0; x+px <= side && len(out) < n; x += px {
			if !scene.Render(wsi.Rect{X: x, Y: y, W: px, H: px}, rgb, mask) || bare(mask) {
				continue
			}
			data, err := encode(rgb, px)
			if err != nil {
				return nil, err
			}
			out = append(out, stampable(data))
		}
	}
	if len(out) == 0 {
		return nil, fault.New(fault.Internal, "pictures of %d px: the synthetic slide has no tissue", px)
	}
	for i := 0; len(out) < n; i++ {
		out = append(out, bytes.Clone(out[i]))
	}
	return out, nil
}

// bare reports whether half of a patch or more is no tissue.
func bare(mask []byte) bool {
	return 2*bytes.Count(mask, []byte{synth.ClassBackground}) >= len(mask)
}

func encode(rgb []byte, px int) ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, px, px))
	for i := range px * px {
		copy(img.Pix[4*i:], rgb[3*i:3*i+3])
		img.Pix[4*i+3] = 0xff
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, &jpeg.Options{Quality: pictureQuality})
	return b.Bytes(), err
}

// A stamp is a comment of 16 characters right behind the start of a JPEG file: it
// makes two files different that show the same.
const (
	stampAt  = 6
	stampLen = 16
)

// stampable returns the JPEG file with an empty stamp.
func stampable(data []byte) []byte {
	out := append([]byte{0xff, 0xd8, 0xff, 0xfe, 0, stampLen + 2}, make([]byte, stampLen)...)
	stamp(out, 0)
	return append(out, data[2:]...)
}

// stamp writes v into the stamp of a file.
func stamp(data []byte, v uint64) {
	text := strconv.AppendUint(make([]byte, 0, stampLen), v, 16)
	room := data[stampAt : stampAt+stampLen]
	n := copy(room, "0000000000000000"[:stampLen-len(text)])
	copy(room[n:], text)
}
