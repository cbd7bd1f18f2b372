package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

const pricing = `package pricing
// generated at 2026-07-20T13:44:30Z for us-east-1
var InitialOnDemandPricesAWS = map[string]map[T]float64{
	"us-east-1": {"c7a.large": 0.102640, "g5.xlarge": 1.006000, "c6g.large": 0.068, "g4dn.8xlarge": 2.176, "g5.12xlarge": 5.672, "p5.48xlarge": 55.04, "m5.large": 0.096, "c7a.metal-48xl": 9.8},
	"us-west-1": {"c7a.large": 9},
}`

const devices = `package d
var GPUMetadataByInstanceType = map[string]*D{
	"g5.xlarge": {Count: 1, Devices: []V{{Attributes: map[N]A{"productName": {StringValue: p("NVIDIA A10G")}}}}},
	"g4dn.8xlarge": {Count: 1, Devices: []V{{Attributes: map[N]A{"productName": {StringValue: p("Tesla T4")}}}}},
	"g5.12xlarge": {Count: 4, Devices: []V{{Attributes: map[N]A{"productName": {StringValue: p("NVIDIA A10G")}}}, {Attributes: map[N]A{"productName": {StringValue: p("NVIDIA A10G")}}}}},
}`

func TestItWritesFamiliesOfOursWithPricesAndGPUs(t *testing.T) {
	t.Parallel()
	prices, date, err := readPrices([]byte(pricing))
	if err != nil || date.Format(time.DateOnly) != "2026-07-20" || prices["c7a.large"] != 0.10264 {
		t.Fatalf("%v of %v, %v", prices, date, err)
	}
	gpus, err := readGPUs([]byte(devices))
	if err != nil || gpus["g5.12xlarge"] != (gpu{4, "NVIDIA A10G"}) {
		t.Fatalf("%v, %v", gpus, err)
	}
	known := map[string]shape{
		"c6g.large": {vcpu: 2, memoryGiB: 4}, "g4dn.8xlarge": {vcpu: 32, memoryGiB: 128},
		"g5.12xlarge": {vcpu: 48, memoryGiB: 192}, "p5.48xlarge": {vcpu: 192, memoryGiB: 2048},
	}
	var b bytes.Buffer
	if err := write(&b, prices, gpus, known, date); err != nil {
		t.Fatal(err)
	}
	want := `type,arch,vcpu,threads_per_core,memory_gib,gpus,gpu,usd_per_hour,usd_per_hour_spot,source,date
c7a.large,amd64,2,1,4,0,,0.10264,,EC2 on demand us-east-1 (karpenter v1.15.1),2026-07-20
c6g.large,arm64,2,1,4,0,,0.068,,EC2 on demand us-east-1 (karpenter v1.15.1),2026-07-20
g4dn.8xlarge,amd64,32,2,128,1,Tesla T4,2.176,,EC2 on demand us-east-1 (karpenter v1.15.1),2026-07-20
g5.xlarge,amd64,4,2,16,1,NVIDIA A10G,1.006,,EC2 on demand us-east-1 (karpenter v1.15.1),2026-07-20
g5.12xlarge,amd64,48,2,192,4,NVIDIA A10G,5.672,,EC2 on demand us-east-1 (karpenter v1.15.1),2026-07-20
`
	if !strings.HasSuffix(b.String(), want) {
		t.Errorf("wrote %s", b.String())
	}
	known["g5.12xlarge"] = shape{vcpu: 47, memoryGiB: 192}
	if err := write(&b, prices, gpus, known, date); err == nil || !strings.Contains(err.Error(), "its description 47") {
		t.Errorf("a rule that is wrong: error %v", err)
	}
}

func TestItReadsDescriptions(t *testing.T) {
	t.Parallel()
	const text = `package fake
var o = &O{InstanceTypes: []I{{InstanceType: "c6g.large", VCpuInfo: &V{DefaultCores: aws.Int32(2), DefaultVCpus: aws.Int32(2)}, MemoryInfo: &M{SizeInMiB: aws.Int64(4096)}}}}`
	got, err := readShapes([]byte(text))
	if err != nil || len(got) != 1 || got["c6g.large"] != (shape{vcpu: 2, memoryGiB: 4}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestItStopsAtWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"c7a.huge", "c7a.axlarge", "p5.2xlarge"} {
		if _, _, err := shapeOf(name); err == nil {
			t.Errorf("%s has a shape", name)
		}
	}
	if _, _, err := readPrices([]byte(strings.Replace(pricing, "0.102640", "-1", 1))); err == nil {
		t.Error("a price below nothing was read")
	}
	if _, _, err := readPrices([]byte(strings.Replace(pricing, "us-east-1\": {", "eu-west-1\": {", 1))); err == nil {
		t.Error("no price for the region, and no error")
	}
}
