package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"bcc/auth"
	"bcc/fault"
)

// newKeys makes the commands that work on the keys of a data folder, also while a
// server runs on it: it sees the change at the next request.
func newKeys(data *string, std Streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make, list and revoke the API keys of a data folder",
		Long: `The keys that clients send as Authorization: Bearer bcc_…. Only their digests are
kept, in DATA/auth/keys.json: a key is shown once, when it is made. A running
server takes a change at the next request.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeysMake(data, std), newKeysList(data, std), newKeysRevoke(data, std))
	return cmd
}

func newKeysMake(data *string, std Streams) *cobra.Command {
	var name, expires string
	var admin, asJSON bool
	cmd := &cobra.Command{
		Use:   "make --name NAME [flags]",
		Short: "Make a key and print it, once",
		Example: `  bcc serve keys make --name "reading room" --expires 90d
  bcc serve keys make --name operator --admin`,
		Args: none,
		RunE: func(*cobra.Command, []string) error {
			until, err := expiry(expires, time.Now())
			if err != nil {
				return err
			}
			keys, err := openKeys(*data)
			if err != nil {
				return err
			}
			token, key, err := keys.Make(name, admin, until)
			if err != nil {
				return fault.Hint(err, "bcc serve keys make --name NAME")
			}
			if asJSON {
				return json.NewEncoder(std.Out).Encode(struct {
					auth.Key
					Token string `json:"token"`
				}{key, token})
			}
			// Alone on standard output, so that a script can keep it.
			if _, err := fmt.Fprintln(std.Out, token); err != nil {
				return unwritten(err)
			}
			fmt.Fprintf(std.Err, "bcc: key %s is made, good %s; it is not shown again\n", key.ID, lasts(key))
			return nil
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.StringVar(&name, "name", "", "whose it is, for lists; not a patient's name")
	fs.BoolVar(&admin, "admin", false, "an operator's: sees the work of all keys, and bcc autoscale may say with it what is wanted")
	fs.StringVar(&expires, "expires", "", "how long it is good: 90d, 12h; or a day, 2027-01-31; empty: until it is revoked")
	fs.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newKeysList(data *string, std Streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [flags]",
		Short: "List the keys, without what proves them",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			keys, err := presentKeys(*data)
			if err != nil {
				return err
			}
			all, err := keys.List()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(std.Out).Encode(struct {
					Keys []auth.Key `json:"keys"`
				}{append([]auth.Key{}, all...)})
			}
			w := tabwriter.NewWriter(std.Out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "ID\tNAME\tADMIN\tMADE\tGOOD")
			for _, k := range all {
				admin := ""
				if k.Admin {
					admin = "yes"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, printable(k.Name), admin, k.Made.Format(time.DateOnly), lasts(k))
			}
			if err := w.Flush(); err != nil {
				return unwritten(err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newKeysRevoke(data *string, std Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID…",
		Short: "Take keys out: they are refused from the next request on",
		Args:  wants("key ID"),
		RunE: func(_ *cobra.Command, ids []string) error {
			keys, err := presentKeys(*data)
			if err != nil {
				return err
			}
			for _, id := range ids {
				if err := keys.Revoke(id); err != nil {
					return err
				}
				fmt.Fprintf(std.Err, "bcc: key %s is revoked\n", printable(id))
			}
			return nil
		},
	}
}

// presentKeys is openKeys of a folder that is there: a wrong name is told, and made
// nowhere.
func presentKeys(data string) (*auth.Keys, error) {
	if _, err := os.Stat(data); data != "" && err != nil {
		return nil, fault.Hint(fault.New(fault.NotFound, "--data %s: no such folder", data), "name the server's data folder")
	}
	return openKeys(data)
}

// openKeys opens the keys of a data folder, making it.
func openKeys(data string) (*auth.Keys, error) {
	if data == "" {
		return nil, fault.Hint(fault.New(fault.Invalid, "--data is empty"), "name the server's data folder")
	}
	return auth.OpenKeys(filepath.Join(data, "auth", "keys.json"))
}

// expiry reads when a key ends: so long from now, or with a day, UTC.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day.AddDate(0, 0, 1), nil // good on the day itself
	}
	if n, ok := strings.CutSuffix(text, "d"); ok {
		if days, err := strconv.Atoi(n); err == nil && days > 0 && days <= 36_500 {
			return now.AddDate(0, 0, days), nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(d), nil
	}
	return time.Time{}, fault.Hint(fault.New(fault.Invalid, "--expires %q: no time", text), "write 90d, 12h or 2027-01-31")
}

func lasts(k auth.Key) string {
	switch {
	case k.Expires == nil:
		return "until it is revoked"
	case k.Expired(time.Now()):
		return "no more, since " + k.Expires.Format(time.RFC3339)
	}
	return "until " + k.Expires.Format(time.RFC3339)
}
