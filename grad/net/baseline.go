package net

import "bcc/grad"

func baseline(g *grad.Graph, x grad.Value, c Config) grad.Value {
	od := x.AvgPool(grad.PoolConfig{Size: 2}).Clip(1./255, 1).Log().Neg()
	return od.GlobalAvgPool().Flatten(1).Softmax(1)
}
