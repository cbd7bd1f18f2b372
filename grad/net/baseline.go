package net

import "bcc/grad"

func baseline(g *grad.Graph, x grad.Value, c Config) grad.Value {
	od := x.AvgPool(grad.PoolConfig{Size: 2}).Clip(1./255, 1).Log().Neg()
	_ = c
	return od.GlobalAvgPool().Flatten(1).Slice(1, 0, 2).Softmax(1)
}
