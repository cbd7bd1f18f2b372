package synth

// The values at the nodes of a section's lattice, micrometres unless said otherwise.
const (
	atDepth  = iota // below the surface
	atBelow         // below the junction of epidermis and dermis
	atInside        // within the cut edges
	atHorny         // below the top of the horny layer
	atDeep          // below the end of the papillary dermis
	atFat           // below the beginning of fat
	atU             // texture, texels
	atV
	atThick // how much more or less eosin than usual, in 256ths
	atGap   // gaps between bundles open below this distance, 0 to 255
)

// layers draws a section's glass-to-glass background: horny layer, epidermis,
// dermis, fat.
func (s *Scene) layers(p *plate, sec *section) bool {
	mpp := s.cfg.MPP
	near := false
	p.base.cover(p.x, p.y, p.x+p.w, p.y+p.ht, func(x, y float64, n *node) {
		a, b := sec.local(x, y)
		l := sec.at(a)
		depth := b - l.surface
		inside := sec.inside(a, depth, l)
		n[atInside], n[atHorny] = fixed(inside), fixed(depth+l.corneum)
		n[atDepth], n[atBelow] = fixed(depth), fixed(depth-l.junction)
		if inside < -400 || depth < -l.corneum-400 { // no block that is drawn has such a node, but at the sheerest edge
			n[atDeep], n[atFat], n[atU], n[atV], n[atThick], n[atGap] = 0, 0, 0, 0, 0, 0
			return
		}
		near = true
		n[atDeep], n[atFat] = fixed(depth-l.papilla), fixed(depth-l.fat+40*noise2(sec.seed+20, a/130, b/130))
		warpU := 70*noise2(sec.seed+21, a/420, b/420) + 22*noise2(sec.seed+22, a/130, b/130)
		warpV := 90*noise2(sec.seed+23, a/420, b/420) + 26*noise2(sec.seed+24, a/130, b/130)
		n[atU] = fixed((a + warpU) / texUM)
		n[atV] = fixed((b + warpV) / texUM)
		gap := sec.gaps + 40*noise2(sec.seed+25, a/180, b/180) + 30*noise2(sec.seed+26, a/50, b/50)
		n[atThick] = int32(50*noise2(sec.seed+27, a/600, b/600) + 30*noise2(sec.seed+28, a/160, b/160))
		open := ramp(-40, 140, depth-l.papilla)
		n[atGap] = fixed(gap*open - 6 - 26*(1-open)) // papillary bundles hardly part
	}, mpp)
	if !near {
		return false
	}
	touched := false
	var cells [4]*node
	for j := range p.base.ny - 1 {
		for i := range p.base.nx - 1 {
			at := j*p.base.nx + i
			cells = [4]*node{&p.base.v[at], &p.base.v[at+1], &p.base.v[at+p.base.nx], &p.base.v[at+p.base.nx+1]}
			if highest(cells, atInside) < -8*one || highest(cells, atHorny) < -4*one {
				continue
			}
			touched = true
			s.layerBlock(p, p.base.i0+i, p.base.j0+j, cells, sec.sun)
		}
	}
	return touched
}

func highest(c [4]*node, f int) int32 { return max(c[0][f], c[1][f], c[2][f], c[3][f]) }
func lowest(c [4]*node, f int) int32  { return min(c[0][f], c[1][f], c[2][f], c[3][f]) }

// layerBlock draws the pixels between four nodes.
func (s *Scene) layerBlock(p *plate, i, j int, c [4]*node, sun int32) {
	plain := lowest(c, atInside) > 8*one && lowest(c, atBelow) > 8*one && highest(c, atFat) < -16*one
	x0, x1 := max(i*cell8, p.x), min((i+1)*cell8, p.x+p.w)
	y0, y1 := max(j*cell8, p.y), min((j+1)*cell8, p.y+p.ht)
	var v, step node
	for y := y0; y < y1; y++ {
		ky, kx := int32(y-j*cell8), int32(x0-i*cell8)
		for f := range v {
			l := c[0][f] + (c[2][f]-c[0][f])*ky/cell8
			r := c[1][f] + (c[3][f]-c[1][f])*ky/cell8
			step[f] = (r - l) / cell8
			v[f] = l + step[f]*kx
		}
		at := (y-p.y)*p.w + x0 - p.x
		if plain {
			u, w, gap, deep, thick := v[atU], v[atV], v[atGap], v[atDeep], 256+v[atThick]
			for range x1 - x0 {
				p.hema[at], p.eos[at] = dermis(s.tex.fibre[w>>8&texMask<<10|u>>8&texMask], gap>>8, deep, sun, thick)
				p.class[at] = ClassTissue
				u, w, gap, deep = u+step[atU], w+step[atV], gap+step[atGap], deep+step[atDeep]
				at++
			}
			continue
		}
		for range x1 - x0 {
			h, e, class := s.layerPixel(&v, sun)
			if class != ClassBackground {
				p.hema[at], p.eos[at], p.class[at] = h, e, class
			}
			for f := range v {
				v[f] += step[f]
			}
			at++
		}
	}
}

// dermis shades a texel of collagen; deep is how far it lies in the reticular dermis,
// sun how grey and blue years of light have made the zone where that begins, thick the
// cut's thickness in 256ths.
func dermis(t uint32, gap, deep, sun, thick int32) (h, e uint8) {
	near, fib, tone, mot := int32(t&255), int32(t>>8&255)-128, int32(t>>16&255)-128, int32(t>>24)-128
	open := min(max((near-gap)*9, 0), 256)  // 0: a gap, 256: collagen
	coarse := min(max(deep/64+128, 0), 256) // 0: papillary, 256: reticular
	ee := 58 + (18 * coarse >> 8) + fib*(26+(coarse>>4))>>7 + tone*coarse*18>>15 + mot*16>>7
	grey := coarse * (256 - coarse) >> 6 * sun >> 10
	hh := 19 - (10 * coarse >> 8) + fib>>5 + mot>>5 + grey*(128+tone)>>8
	ee -= grey >> 1
	return uint8(max(hh*open>>8, 0)), uint8(max(ee*thick>>8*open>>8, 0))
}

// layerPixel shades a pixel that may lie in any layer.
func (s *Scene) layerPixel(v *node, sun int32) (h, e, class uint8) {
	tex := s.tex.fibre[v[atV]>>8&texMask<<10|v[atU]>>8&texMask]
	fib, mot := int32(tex>>8&255)-128, int32(tex>>24)-128
	if v[atInside]+mot*6 < 0 || v[atHorny] < 0 {
		return 0, 0, ClassBackground
	}
	switch depth, below := v[atDepth]+mot*2, v[atBelow]+mot*3; {
	case depth < 0: // the horny layer: lamellae with air between them
		// lamellae run along the surface: the texture is read far stretched along u
		lam := s.tex.fibre[(v[atDepth]*2/3+v[atU]>>5)>>7&texMask<<10|v[atU]>>11&texMask]
		sheet, lift := int32(lam>>8&255)-128, int32(lam>>24)-128
		loose := min(max(-depth-one, 0), 20*one) * 90 / (20 * one) // towards the top
		if sheet+lift>>1 > 95-loose {
			return 0, 0, ClassEpidermis // air between the sheets
		}
		return uint8(max(30+sheet>>2-loose/6, 0)), uint8(max(98+sheet>>1-loose/3, 0)), ClassEpidermis
	case below < 0:
		basal := min(max((below+14*one)/14, 0), 256) // towards the junction
		grainy := min(max((13*one-depth)/9, 0), 256) // towards the surface
		hh := 52 + basal*16>>8 + grainy*(22+mot>>1)>>8 + mot>>3
		ee := 84 + grainy*26>>8 - basal*10>>8 + fib>>4 + mot>>3
		return uint8(max(hh, 0)), uint8(max(ee, 0)), ClassEpidermis
	case v[atFat]+mot*16 > 0:
		wall := int32(s.tex.fat[v[atV]>>8&texMask<<10|v[atU]>>8&texMask])
		if wall > 7+mot>>5 {
			return 0, uint8(max(1+mot>>6, 0)), ClassFat
		}
		return 12, uint8(62 + fib>>3), ClassFat
	default:
		h, e := dermis(tex, v[atGap]>>8, v[atDeep], sun, 256+v[atThick])
		return h, e, ClassTissue
	}
}
