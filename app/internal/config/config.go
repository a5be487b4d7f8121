package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/address"
	"gitee.com/ken.yang/xconsumer/internal/command"
)

// ErrConfig matches the errors of a configuration that cannot be used; exit 78.
var ErrConfig = errors.New("configuration refused")

// Defaults, and variables of the environment.
const (
	DefaultFile     = "app.toml"
	DefaultListen   = "127.0.0.1:8800"
	DefaultCluster  = "default"
	configVariable  = "XCONSUMER_CONFIG"
	leaderVariable  = "XCONSUMER_LEADER_WORKERS"
	ClusterVariable = "XCONSUMER_CLUSTER_NAME" // not XCONSUMER_CLUSTER, which workers get
)

// Flags are the flags of run and config check; "" means not given.
type Flags struct {
	Config, Cluster, Name, HTTP, ZooKeeper, Etcd, Join, Advertise, SecretFile string
}

// Settings is the configuration in force: flags over environment over file over defaults.
type Settings struct {
	File     string // "" for none
	Cluster  string
	Name     string // "" for the default, which needs the port
	Listen   string // "off" for no HTTP
	Explicit bool   // Listen was given
	Named    bool   // Cluster was given by a flag or variable
	// HTTPInFile: the file has [http].
	HTTPInFile bool
	Advertise  string // host:port, "" if other nodes do not reach this one
	Secret     []byte // the secret that signs requests between nodes
	Warnings   []string
	Remarks    []remark
	Access     Access
	Service    Service
	Leader     cluster.LeaderPolicy
	Rebalance  cluster.Rebalance
	Labels     cluster.Labels
	Weight     int
	Capacity   int

	RestartGrace time.Duration
	Together     int // xconsumer.Config.Together

	Works    []command.Spec
	LogBytes int // how much of each worker's log is kept, in bytes
	Tasks    []cluster.TaskSpec
}

// Load reads the configuration. The error matches ErrConfig and names every mistake.
func Load(flags Flags, env func(string) string) (Settings, error) {
	s, f, err := readSettings(flags, env)
	if err != nil {
		return Settings{}, err
	}
	return s, f.complete(s)
}

// Check reads the configuration as Load does. A file without a coordination service is only a warning if it has no other
// mistake, because xconsumer dev brings its own service.
func Check(flags Flags, env func(string) string) (Settings, error) {
	s, f, err := readSettings(flags, env)
	if err != nil {
		return Settings{}, err
	}
	if s.Service.None() && s.File != "" && len(f.errs) == 0 {
		s.Warnings = append(s.Warnings, noService)
		return s, nil
	}
	return s, f.complete(s)
}

// complete returns all mistakes, including a missing coordination service.
func (pr *problems) complete(s Settings) error {
	if s.Service.None() {
		pr.errs = append(pr.errs, placedError{text: noService})
	}
	return pr.err()
}

// readSettings reads the configuration. The returned file has the mistakes in it, without a missing coordination service,
// because xconsumer dev needs none.
func readSettings(flags Flags, env func(string) string) (Settings, *configFile, error) {
	file, err := FindFile(flags.Config, env)
	if err != nil {
		return Settings{}, nil, err
	}
	f := newConfigFile(file)
	if file != "" {
		f, err = readConfigFile(file)
		if err != nil {
			return Settings{}, nil, err
		}
		f.besideFile()
	}
	f.override(flags, env)
	c := &f.config
	s := Settings{
		File: file, Cluster: c.Cluster, Name: c.Node.Name, Listen: c.HTTP.Listen,
		Explicit: c.HTTP.Listen != "", Named: flags.Cluster != "" || env(ClusterVariable) != "", HTTPInFile: f.has("http"),
	}
	if s.Cluster == "" {
		s.Cluster = DefaultCluster
	}
	if s.Listen == "" {
		s.Listen = DefaultListen
	}
	f.check("cluster", cluster.ValidateName(s.Cluster))
	if s.Name != "" {
		f.check("node.name", cluster.ValidateName(s.Name))
	}
	f.check("http.listen", validateListen(s.Listen))
	f.peers(&s)
	f.access(&s, env)
	f.node(&s)
	f.settings(&s)
	s.Service = f.service(flags.Join, ChosenBy(flags, env))
	s.Works, s.LogBytes = f.works(), f.size("log.keep", c.Log.Keep)
	s.Tasks = f.tasks()
	f.privateFiles()
	s.Warnings, s.Remarks = f.warnings, f.remarks
	return s, f, nil
}

// override replaces values of the file by those of the environment and of flags. A mistake in such a value is reported with
// the name of its flag or variable, not with a place in the file.
func (f *configFile) override(flags Flags, env func(string) string) {
	c := &f.config
	// given returns what replaces the value of a key, "" for nothing.
	given := func(key, variable, name, flag string) (value string) {
		value = env(variable)
		if value != "" {
			f.given[key] = variable
		}
		if flag != "" {
			value, f.given[key] = flag, name
		}
		if value != "" {
			delete(f.keys, key)
		}
		return value
	}
	override := func(target *string, key, variable, name, flag string) {
		if v := given(key, variable, name, flag); v != "" {
			*target = v
		}
	}
	list := func(target *[]string, key, variable, name, flag string) {
		if v := given(key, variable, name, flag); v != "" {
			*target = strings.Split(v, ",")
		}
	}
	override(&c.Cluster, "cluster", ClusterVariable, "--cluster", flags.Cluster)
	override(&c.Node.Name, "node.name", "XCONSUMER_NODE_NAME", "--name", flags.Name)
	override(&c.HTTP.Listen, "http.listen", "XCONSUMER_HTTP_LISTEN", "--http", flags.HTTP)
	override(&c.HTTP.Advertise, "http.advertise", "XCONSUMER_HTTP_ADVERTISE", "--advertise", flags.Advertise)
	override(&c.HTTP.SecretFile, "http.secretFile", "XCONSUMER_HTTP_SECRET_FILE", "--secret-file", flags.SecretFile)
	override(&c.HTTP.TokensFile, "http.tokensFile", "XCONSUMER_HTTP_TOKENS_FILE", "", "")
	override(&c.HTTP.TLS.Cert, "http.tls.cert", "XCONSUMER_HTTP_TLS_CERT", "", "")
	override(&c.HTTP.TLS.Key, "http.tls.key", "XCONSUMER_HTTP_TLS_KEY", "", "")
	override(&c.HTTP.TLS.ClientCA, "http.tls.clientCA", "XCONSUMER_HTTP_TLS_CLIENT_CA", "", "")
	override(&c.HTTP.TLS.CA, "http.tls.ca", "XCONSUMER_HTTP_TLS_CA", "", "")
	list(&c.HTTP.Hosts, "http.hosts", "XCONSUMER_HTTP_HOSTS", "", "")
	list(&c.HTTP.Proxies, "http.proxies", "XCONSUMER_HTTP_PROXIES", "", "")
	if text := env("XCONSUMER_HTTP_INSECURE"); text != "" {
		var err error
		c.HTTP.Insecure, err = strconv.ParseBool(text)
		if err != nil {
			f.errs = append(
				f.errs,
				placedError{key: "http.insecure", text: fmt.Sprintf("XCONSUMER_HTTP_INSECURE: %q is neither true nor false", text)},
			)
		}
	}
	override(&c.ZooKeeper.Host, "zookeeper.host", "XCONSUMER_ZOOKEEPER_HOST", "--zookeeper", flags.ZooKeeper)
	override(&c.ZooKeeper.SessionTimeout, "zookeeper.sessionTimeout", "XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT", "", "")
	override(&c.ZooKeeper.TickTime, "zookeeper.tickTime", "XCONSUMER_ZOOKEEPER_TICK_TIME", "", "")
	override(&c.ZooKeeper.Username, "zookeeper.username", "XCONSUMER_ZOOKEEPER_USERNAME", "", "")
	override(&c.ZooKeeper.Password, "zookeeper.password", "XCONSUMER_ZOOKEEPER_PASSWORD", "", "")
	override(&c.ZooKeeper.PasswordFile, "zookeeper.passwordFile", "XCONSUMER_ZOOKEEPER_PASSWORD_FILE", "", "")
	list(&c.Etcd.Endpoints, "etcd.endpoints", "XCONSUMER_ETCD_ENDPOINTS", "--etcd", flags.Etcd)
	override(&c.Etcd.Prefix, "etcd.prefix", "XCONSUMER_ETCD_PREFIX", "", "")
	override(&c.Etcd.SessionTimeout, "etcd.sessionTimeout", "XCONSUMER_ETCD_SESSION_TIMEOUT", "", "")
	override(&c.Etcd.Username, "etcd.username", "XCONSUMER_ETCD_USERNAME", "", "")
	override(&c.Etcd.Password, "etcd.password", "XCONSUMER_ETCD_PASSWORD", "", "")
	override(&c.Etcd.PasswordFile, "etcd.passwordFile", "XCONSUMER_ETCD_PASSWORD_FILE", "", "")
	override(&c.Leader.Workers, "leader.workers", leaderVariable, "", "")
	override(&c.Node.RestartGrace, "node.restartGrace", "XCONSUMER_NODE_RESTART_GRACE", "", "")
	override(&f.together, "node.together", TogetherVariable, "", "")
	override(&f.quiet, "rebalance.quiet", QuietVariable, "", "")
}

// Declarations are what a file declares for the whole cluster.
type Declarations struct {
	File     string
	Tasks    []cluster.TaskSpec
	Settings *cluster.Settings // nil for none
}

// LoadDeclarations reads what a file declares. It ignores the coordination service.
func LoadDeclarations(flag string, env func(string) string) (d Declarations, err error) {
	d.File, err = FindFile(flag, env)
	if err != nil {
		return d, err
	}
	if d.File == "" {
		return d, fmt.Errorf("%w: no %s in this directory; name a file with --file", ErrUsage, DefaultFile)
	}
	f, err := readConfigFile(d.File)
	if err != nil {
		return d, err
	}
	if policy := env(leaderVariable); policy != "" { // it is in force on nodes, too
		f.config.Leader.Workers = policy
	}
	f.quiet = env(QuietVariable)
	d.Tasks = f.tasks()
	var s Settings
	f.settings(&s)
	if declared := (cluster.Settings{LeaderWorkers: s.Leader, Rebalance: s.Rebalance}); declared != (cluster.Settings{}) {
		d.Settings = &declared
	}
	return d, f.err()
}

// NamedCluster returns the cluster that the environment or the usual file names, and which of them does; "" for none. A file
// that cannot be read names none.
func NamedCluster(env func(string) string) (name, by string) {
	name = env(ClusterVariable)
	if name != "" {
		return name, ClusterVariable
	}
	file, err := FindFile("", env)
	if err != nil || file == "" {
		return "", ""
	}
	f, err := readConfigFile(file)
	if err != nil {
		return "", ""
	}
	return f.config.Cluster, file
}

// node reads the table [node].
func (f *configFile) node(s *Settings) {
	c := &f.config
	s.Labels, s.Weight, s.Capacity = cluster.Labels(c.Node.Labels), c.Node.Weight, c.Node.Capacity
	f.check("node.labels", s.Labels.Validate())
	f.zeros("node", reflect.ValueOf(c.Node))
	for _, n := range []struct {
		key         string
		value, most int
	}{{"node.weight", s.Weight, cluster.MaxWeight}, {"node.capacity", s.Capacity, cluster.MaxWeight * cluster.MaxWorkers}} {
		if n.value < 0 || n.value > n.most {
			f.check(n.key, fmt.Errorf("%d is not between 1 and %d", n.value, n.most))
		}
	}
	s.RestartGrace = f.duration("node.restartGrace", c.Node.RestartGrace)
	if s.RestartGrace < 0 || s.RestartGrace > cluster.MaxRestartGrace {
		f.check("node.restartGrace", fmt.Errorf("%v is not between 0s and %v", s.RestartGrace, cluster.MaxRestartGrace))
	}
	s.Together = c.Node.Together
	if f.together != "" {
		var err error
		s.Together, err = strconv.Atoi(f.together)
		if err != nil {
			f.check("node.together", fmt.Errorf("%q is not a number", f.together))
		}
	}
	if s.Together < 0 {
		f.check("node.together", fmt.Errorf("%d is less than 0; leave it out if it is unknown", s.Together))
	}
}

// settings reads the settings of the whole cluster: [leader] and [rebalance].
func (f *configFile) settings(s *Settings) {
	s.Leader = cluster.LeaderPolicy(f.config.Leader.Workers)
	if s.Leader != "" {
		f.check("leader.workers", s.Leader.Validate())
	}
	f.zeros("rebalance", f.policy)
	f.fill("rebalance", f.policy, reflect.ValueOf(&s.Rebalance).Elem())
	if f.quiet != "" {
		s.Rebalance.Quiet = cluster.Duration(f.duration("rebalance.quiet", f.quiet))
	}
	for _, e := range split(s.Rebalance.Validate()) {
		name, text, _ := strings.Cut(e.Error(), ": ")
		f.check("rebalance."+name, errors.New(text))
	}
}

// TogetherVariable is the variable of the environment for node.together.
const TogetherVariable = "XCONSUMER_NODE_TOGETHER"

// QuietVariable is the variable of the environment for rebalance.quiet.
const QuietVariable = "XCONSUMER_REBALANCE_QUIET"

// FindFile returns the file to read: the one of the flag or the variable, else app.toml if it exists, else "".
func FindFile(flag string, env func(string) string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	if file := env(configVariable); file != "" {
		if _, err := os.Stat(file); err != nil {
			return "", fmt.Errorf("%w: %s: %w", ErrConfig, configVariable, err)
		}
		return file, nil
	}
	_, err := os.Stat(DefaultFile)
	switch {
	case err == nil:
		return DefaultFile, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	}
	return "", fmt.Errorf("%w: %w", ErrConfig, err)
}

// validateListen refuses a value that is neither an address to listen on nor "off".
func validateListen(addr string) error {
	switch {
	case addr == "off":
		return nil
	case strings.EqualFold(addr, "off"):
		return fmt.Errorf("%q: write it as %q", addr, "off")
	}
	_, err := address.ParseListen(addr)
	return err
}

// NodeName returns the default name of a node: the host name and the port, so that the nodes of one machine differ.
func NodeName(addr string) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "node"
	}
	name := strings.Map(func(r rune) rune {
		if cluster.ValidateName(string(r)+"x") != nil {
			return '-'
		}
		return r
	}, host)
	name = strings.TrimLeft(name, "-")
	if name == "" {
		name = "node"
	}
	if _, port, err := net.SplitHostPort(addr); err == nil {
		return name + "-" + port
	}
	return fmt.Sprintf("%s-pid%d-%d", name, os.Getpid(), time.Now().Unix()%100000)
}

// DefaultName returns the name of the node if it listens on the configured address, "" if the port is not known yet.
func (s Settings) DefaultName() string {
	if s.Name != "" {
		return s.Name
	}
	if _, port, err := net.SplitHostPort(s.Listen); err != nil || port == "0" {
		return ""
	}
	return NodeName(s.Listen)
}
