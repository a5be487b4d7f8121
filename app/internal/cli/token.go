package cli

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gitee.com/ken.yang/xconsumer/app/internal/config"
	"gitee.com/ken.yang/xconsumer/httpapi"
)

func tokenCommand(streams Streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a token for the HTTP API: the secret, and the line of [http] tokensFile that admits it",
		Example: `  xconsumer token ada --role admin >> tokens   # the secret is shown, the line goes to the file
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
	c.RunE = func(_ *cobra.Command, args []string) error {
		if httpapi.Role(*role).Validate() != nil {
			return unknownWord("--role: invalid role %q", *role, roles)
		}
		secret := "xct_" + rand.Text()
		hash := sha256.Sum256([]byte(secret))
		line := fmt.Sprintf("%s %s sha256:%s", args[0], *role, hex.EncodeToString(hash[:]))
		if !o.ForPrograms() {
			if _, err := fmt.Fprintf(
				streams.Err,
				"token of %s, which is not shown again: %s\nthe line for [http] tokensFile:\n",
				args[0],
				secret,
			); err != nil {
				return err
			}
		}
		return o.Print(streams.Out, map[string]string{"name": args[0], "role": *role, "token": secret, "line": line}, line+"\n")
	}
	return c
}
