package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/etcd"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/internal/address"
	"gitee.com/ken.yang/xconsumer/internal/membership"
)

// Service is the chosen coordination service: ZooKeeper or etcd.
type Service struct {
	ZK   *zk.Config
	Etcd *etcd.Config
	// Joined is the URL of --join. Ignored are the tables of the file that --join, another flag or the environment replaces.
	Joined  string
	Ignored []string
}

// joinSessionTimeout is the session timeout of nodes that use the etcd of `xconsumer dev`.
const joinSessionTimeout = 5 * time.Second

// String returns the service, its servers, and the path of its records.
func (s Service) String() string {
	switch {
	case s.ZK != nil:
		return "ZooKeeper " + strings.Join(s.ZK.Servers, ",") + s.ZK.Chroot
	case s.Etcd != nil && s.Etcd.Prefix != "":
		return fmt.Sprintf("etcd %s below %s", strings.Join(s.Etcd.Endpoints, ","), s.Etcd.Prefix)
	case s.Etcd != nil:
		return "etcd " + strings.Join(s.Etcd.Endpoints, ",")
	}
	return "nothing"
}

// Hosts returns the addresses of the coordination service, host:port.
func (s Service) Hosts() (list []string) {
	switch {
	case s.ZK != nil:
		return s.ZK.Servers
	case s.Etcd != nil:
		for _, e := range s.Etcd.Endpoints {
			if u, err := url.Parse(e); err == nil {
				list = append(list, u.Host)
			}
		}
	}
	return list
}

// Local reports whether all servers have loopback addresses. Then all nodes with the same configuration are on this machine.
func (s Service) Local() bool {
	for _, host := range s.Hosts() {
		if !Loopback(host) {
			return false
		}
	}
	return true
}

// Protected reports whether this node has an identity for the coordination service. Without one, other clients can read its
// records. The configuration alone does not show whether the service requires the identity.
func (s Service) Protected() bool {
	switch {
	case s.ZK != nil:
		return s.ZK.Username != ""
	case s.Etcd != nil:
		return s.Etcd.Username != "" || s.Etcd.TLS != nil && len(s.Etcd.TLS.Certificates) > 0
	}
	return false
}

// Open returns the store of the service. It does not connect yet.
func (s Service) Open(log *slog.Logger) (store coord.Store, err error) {
	if s.ZK != nil {
		cfg := *s.ZK
		cfg.Logger = log
		store, err = zk.New(cfg)
	} else {
		cfg := *s.Etcd
		cfg.Logger = log
		store, err = etcd.New(cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return store, nil
}

// ChosenBy returns the services that flags name, or else the environment; nil if neither does. They replace the choice of the
// file, as they replace single keys.
func ChosenBy(flags Flags, env func(string) string) map[string]bool {
	if flags.ZooKeeper != "" || flags.Etcd != "" {
		return map[string]bool{"zookeeper": flags.ZooKeeper != "", "etcd": flags.Etcd != ""}
	}
	zookeeper, etcd := env("XCONSUMER_ZOOKEEPER_HOST") != "", env("XCONSUMER_ETCD_ENDPOINTS") != ""
	if zookeeper || etcd {
		return map[string]bool{"zookeeper": zookeeper, "etcd": etcd}
	}
	return nil
}

// service returns the chosen coordination service, and records mistakes. Over is the choice of flags or the environment, nil
// for none.
func (f *configFile) service(join string, over map[string]bool) Service {
	chosen := over
	if chosen == nil {
		chosen = map[string]bool{"zookeeper": f.has("zookeeper"), "etcd": f.has("etcd")}
	}
	var ignored []string
	for _, name := range []string{"zookeeper", "etcd"} {
		if f.has(name) && (join != "" || over != nil && !over[name]) {
			ignored = append(ignored, "["+name+"]")
		}
	}
	if join != "" {
		s := Service{Joined: join, Ignored: ignored, Etcd: &etcd.Config{SessionTimeout: joinSessionTimeout}}
		endpoints, err := etcd.ParseEndpoints(join)
		f.check("--join", err)
		s.Etcd.Endpoints = endpoints
		return s
	}
	switch {
	case chosen["zookeeper"] && chosen["etcd"]:
		f.check(
			"etcd",
			fmt.Errorf("both %s and %s are given: choose one of them", f.sourceOf("zookeeper", "host"), f.sourceOf("etcd", "endpoints")),
		)
		fallthrough
	case chosen["zookeeper"]:
		return Service{ZK: f.zookeeper(), Ignored: ignored}
	case chosen["etcd"]:
		return Service{Etcd: f.etcd(), Ignored: ignored}
	}
	return Service{}
}

// None reports whether no coordination service is chosen.
func (s Service) None() bool { return s.ZK == nil && s.Etcd == nil }

// noService is the error of a configuration without a coordination service.
const noService = "no coordination service is chosen, which `xconsumer run` needs and `xconsumer dev` brings: " +
	"give [zookeeper] host = \"127.0.0.1:2181\" or " +
	"[etcd] endpoints = [\"http://127.0.0.1:2379\"] in app.toml, or --zookeeper or --etcd"

// zookeeper returns the configuration of ZooKeeper, and records mistakes.
func (f *configFile) zookeeper() *zk.Config {
	c := f.config.ZooKeeper
	cfg := &zk.Config{Username: c.Username}
	var err error
	if f.unread["zookeeper"] {
		return cfg
	}
	if c.Host == "" {
		f.check("zookeeper.host", errors.New("must be given: the servers of ZooKeeper, as in \"127.0.0.1:2181\""))
	} else if !f.wrongType("zookeeper.host") {
		cfg.Servers, cfg.Chroot, err = zk.ParseHosts(c.Host)
		f.checkFix("zookeeper.host", err, notExpanded(c.Host, "XCONSUMER_ZOOKEEPER_HOST"))
	}
	cfg.SessionTimeout = f.duration("zookeeper.sessionTimeout", c.SessionTimeout)
	cfg.TickTime = f.duration("zookeeper.tickTime", c.TickTime)
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = zk.DefaultSessionTimeout
	}
	if cfg.TickTime == 0 {
		cfg.TickTime = zk.DefaultTickTime
	}
	params := membership.NewLeaseParams(cfg.SessionTimeout, zk.Spacing(cfg.TickTime), cfg.TickTime)
	lease := "zookeeper.sessionTimeout"
	if _, given := f.keys["zookeeper.tickTime"]; given && !f.has(lease) && f.given[lease] == "" {
		lease = "zookeeper.tickTime"
	}
	f.check(lease, params.Check())
	cfg.Password = f.password("zookeeper", c.Username, c.Password, c.PasswordFile)
	if strings.Contains(cfg.Username, ":") {
		f.check("zookeeper.username", errors.New("must not contain a colon"))
	}
	cfg.TLS, err = loadTLS(c.TLS)
	f.check("zookeeper.tls", err)
	f.serverName("zookeeper.tls.serverName", c.TLS)
	return cfg
}

// etcd returns the configuration of etcd, and records mistakes.
func (f *configFile) etcd() *etcd.Config {
	c := f.config.Etcd
	cfg := &etcd.Config{Username: c.Username, Prefix: strings.TrimSuffix(c.Prefix, "/")}
	if f.unread["etcd"] {
		return cfg
	}
	var err error
	if !f.wrongType("etcd.endpoints") {
		if len(c.Endpoints) == 0 {
			f.check("etcd.endpoints", errors.New("must be given: the client URLs of etcd, as in [\"http://127.0.0.1:2379\"]"))
		} else {
			cfg.Endpoints, err = etcd.ParseEndpoints(strings.Join(c.Endpoints, ","))
			f.checkFix("etcd.endpoints", err, notExpanded(strings.Join(c.Endpoints, ","), "XCONSUMER_ETCD_ENDPOINTS"))
		}
	}
	if c.Prefix != "" && !strings.HasPrefix(c.Prefix, "/") {
		f.check("etcd.prefix", fmt.Errorf("%q does not begin with a slash", c.Prefix))
	}
	cfg.SessionTimeout = f.duration("etcd.sessionTimeout", c.SessionTimeout)
	if cfg.SessionTimeout == 0 {
		cfg.SessionTimeout = etcd.DefaultSessionTimeout
	}
	if cfg.SessionTimeout%time.Second != 0 {
		f.check("etcd.sessionTimeout", fmt.Errorf("%v: etcd counts in whole seconds", cfg.SessionTimeout))
	}
	f.check("etcd.sessionTimeout", membership.NewLeaseParams(cfg.SessionTimeout, etcd.Spacing, cfg.SessionTimeout).Check())
	cfg.Password = f.password("etcd", c.Username, c.Password, c.PasswordFile)
	cfg.TLS, err = loadTLS(c.TLS)
	f.check("etcd.tls", err)
	f.serverName("etcd.tls.serverName", c.TLS)
	secure := slices.ContainsFunc(cfg.Endpoints, func(e string) bool { return strings.HasPrefix(e, "https://") })
	if cfg.TLS != nil && !secure {
		f.check("etcd.tls", errors.New("the endpoints are not https, so it would not be used: write them as https://host:2379"))
	}
	if cfg.TLS == nil && secure {
		cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return cfg
}

// password returns the password of an identity from its key or from passwordFile, and records mistakes.
func (f *configFile) password(table, username, password, file string) string {
	if file != "" {
		key := table + ".passwordFile"
		if password != "" {
			f.check(key, errors.New("give either password or passwordFile"))
			return password
		}
		secret, err := os.ReadFile(file)
		password = strings.TrimRight(string(secret), "\r\n")
		if err == nil && password == "" {
			err = fmt.Errorf("%s is empty", file)
		}
		f.check(key, err)
	}
	if f.unread[table+".passwordFile"] || f.unread[table+".password"] {
		return ""
	}
	if (username == "") != (password == "") {
		f.check(table+".username", errors.New("username and password belong together"))
	}
	return password
}

// notExpanded returns the fix for a value that contains the name of a variable, "" if it contains none.
func notExpanded(value, variable string) string {
	if !strings.Contains(value, "$") {
		return ""
	}
	return "variables are not expanded in the file: leave the key out, and set " + variable
}

// serverName records a mistake in the name that the servers' certificates must have.
func (pr *problems) serverName(key string, c tlsConfig) {
	if c.ServerName != "" {
		pr.check(key, address.ValidateHost(c.ServerName))
	}
}

// loadTLS returns the TLS configuration of a client, nil if none is configured.
func loadTLS(c tlsConfig) (*tls.Config, error) {
	if c == (tlsConfig{}) {
		return nil, nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.ServerName}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca: %s holds no certificate", c.CA)
		}
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, errors.New("cert and key belong together")
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("cert: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
