package cli

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bcc/fault"
)

// plainNames are the environment names that were in use before ours, and those that
// others agreed on.
var plainNames = map[string]string{
	"model": "MODEL_PATH", "device": "DEVICE", "batch": "BATCH_SIZE", "port": "PORT",
	"otlp-endpoint": "OTEL_EXPORTER_OTLP_ENDPOINT",
}

// fromEnvironment sets every flag of cmd that was not given from BCC_ and the
// flag's name, else from the plain name. Flags win over the environment, the
// environment over defaults.
func fromEnvironment(cmd *cobra.Command) error {
	var wrong []error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" {
			return
		}
		name := "BCC_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value, ok := os.LookupEnv(name)
		if !ok && plainNames[f.Name] != "" {
			name = plainNames[f.Name]
			value, ok = os.LookupEnv(name)
		}
		if !ok || value == "" {
			return
		}
		if err := cmd.Flags().Set(f.Name, value); err != nil {
			wrong = append(wrong, fault.New(fault.Invalid, "environment %s=%q: %w", name, value, err))
		}
	})
	return errors.Join(wrong...)
}
