package certificate

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are when certificates end and how often the issuer was asked.
type metrics struct {
	orders *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer, k *Keeper) metrics {
	m := metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bcc_certificate_orders_total", Help: "Certificates asked for of the issuer, by how it ended: signed, refused, unreachable.",
	}, []string{"end"})}
	ends := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "bcc_certificate_end_timestamp_seconds", Help: "When the first of the certificates ends; 0 while a name has none.",
	}, k.soonest)
	if r != nil {
		r.MustRegister(m.orders, ends)
	}
	return m
}

func (k *Keeper) soonest() float64 {
	var first int64
	for _, n := range k.names {
		c := n.present.Load()
		if c == nil {
			return 0
		}
		if at := c.Leaf.NotAfter.Unix(); first == 0 || at < first {
			first = at
		}
	}
	return float64(first)
}

func (m metrics) observe(err error) {
	end := "signed"
	if refused(err) {
		end = "refused"
	} else if err != nil {
		end = "unreachable"
	}
	m.orders.WithLabelValues(end).Inc()
}
