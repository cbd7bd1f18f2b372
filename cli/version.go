package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"bcc/native/ort"
	"bcc/telemetry"
)

func newVersion(std Streams) *cobra.Command {
	var f engineFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of the program, the engine and the model",
		Args:  none,
		RunE: func(_ *cobra.Command, _ []string) error {
			b, err := f.bundle()
			if err != nil {
				return err
			}
			build := telemetry.BuildInfo()
			var engine string
			if err := ort.Load(libraryPaths(f.enginePath)...); err == nil {
				engine = ort.Version()
			} else {
				engine = "not found: " + oneLine(err)
			}
			if asJSON {
				return json.NewEncoder(std.Out).Encode(map[string]string{
					"version": build.Version, "revision": build.Revision, "go": build.Go, "platform": build.Platform,
					"engine": engine, "model": b.Card.Name, "model_version": b.Card.Version, "model_sha256": b.Digest,
				})
			}
			fmt.Fprintf(std.Out, "bcc     %s (%s, %s)\n", build.Version, build.Go, build.Platform)
			fmt.Fprintf(std.Out, "engine  ONNX Runtime %s\n", engine)
			if _, err := fmt.Fprintf(std.Out, "model   %s %s (sha256 %.12s)\n", b.Card.Name, b.Card.Version, b.Digest); err != nil {
				return unwritten(err)
			}
			return nil
		},
	}
	f.register(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
