package client_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net/http/httptest"

	"bcc/client"
)

// Example sends a slide, submits it, follows it to its end and fetches what was found.
func Example() {
	address, end := exampleServer() // bcc serve, elsewhere
	defer end()
	ctx := context.Background()

	cfg := client.DefaultConfig()
	cfg.Server = address
	cfg.Note = func(line string) { log.Print(line) } // why it waits
	c, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	slide, err := c.UploadFrom(ctx, bytes.NewReader(picture(768, 640)), -1)
	if err != nil {
		log.Fatal(err)
	}
	made, err := c.Submit(ctx, client.Order{
		Name:     "Monday",
		Priority: "urgent",
		Slides:   []client.OrderSlide{{Upload: slide.SHA256, MPPUM: 4}},
	})
	if err != nil {
		log.Fatal(err)
	}
	last, err := c.Follow(ctx, made.ID, func(e client.Event) error {
		if s := e.Slide; s != nil {
			fmt.Println("slide:", s.State, *s.Prediction)
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d of %d done\n", last.Counts.Done, last.Counts.Submitted)

	var outlines bytes.Buffer
	if _, err := c.File(ctx, made.ID+"-0", client.LesionsFile, &outlines); err != nil {
		log.Fatal(err)
	}
	fmt.Println("outlines:", bytes.Contains(outlines.Bytes(), []byte("FeatureCollection")))
	// Output:
	// slide: done BCC
	// 1 of 1 done
	// outlines: true
}

// One picture is answered at once.
func ExampleClient_Predict() {
	address, end := exampleServer()
	defer end()
	cfg := client.DefaultConfig()
	cfg.Server = address
	c, err := client.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	p, err := c.Predict(context.Background(), picture(patchPx, patchPx), client.PredictOptions{Patches: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Prediction, "by", len(p.Patches), "patch")
	// Output: BCC by 1 patch
}

func exampleServer() (address string, end func()) {
	s, stop, err := realServer()
	if err != nil {
		log.Fatal(err)
	}
	h := httptest.NewServer(s)
	return h.URL, func() { h.Close(); stop() }
}
