package cli

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

func tokenCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a token for the HTTP API: the secret, and the line of [http] tokensFile that admits it",
		Example: `  xconsumer token ada --role admin --to tokens   # the line goes to the file, the secret is printed
  xconsumer token ci --role operate`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 || len(strings.Fields(args[0])) != 1 || strings.ContainsAny(args[0], ",#") {
				return fmt.Errorf("%w: name the owner of the token, in one word; see %s --help", config.ErrUsage, c.CommandPath())
			}
			return nil
		},
	}
	o := outputFlag(c, "table", "json", "yaml")
	roles := []string{string(httpapi.RoleView), string(httpapi.RoleOperate), string(httpapi.RoleAdmin)}
	role := c.Flags().String("role", string(httpapi.RoleView), "role of the token: view, operate or admin")
	file := c.Flags().String("to", "", "file to append the line to, created with mode 0600; only the secret is printed")
	c.RunE = func(_ *cobra.Command, args []string) error {
		if httpapi.Role(*role).Validate() != nil {
			return unknownWord("--role: invalid role %q", *role, roles)
		}
		secret := "xct_" + rand.Text()
		hash := sha256.Sum256([]byte(secret))
		line := fmt.Sprintf("%s %s sha256:%s", args[0], *role, hex.EncodeToString(hash[:]))
		printed, said := line, fmt.Sprintf("token of %s, which is not shown again: %s", args[0], secret)
		if *file != "" {
			if err := appendLine(*file, line); err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			printed, said = secret, fmt.Sprintf("token of %s, which is not shown again; its line is in %s", args[0], *file)
		}
		if !o.ForPrograms() {
			if _, err := fmt.Fprintln(streams.Err, said); err != nil {
				return err
			}
		}
		return o.Print(streams.Out, map[string]string{"name": args[0], "role": *role, "token": secret, "line": line}, printed+"\n")
	}
	return c
}

// appendLine appends a line to a file, which it creates for this user alone. A last line without an end gets one, so that no
// token is lost.
func appendLine(file, line string) (err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	at, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	last := []byte{'\n'}
	if at > 0 {
		if _, err := f.ReadAt(last, at-1); err != nil {
			return err
		}
	}
	if last[0] != '\n' {
		line = "\n" + line
	}
	_, err = f.WriteString(line + "\n")
	return err
}
