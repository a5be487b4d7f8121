package app

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"gitee.com/ken.yang/xconsumer/cluster"
	"gitee.com/ken.yang/xconsumer/internal/address"
	"gitee.com/ken.yang/xconsumer/internal/command"
)

// errConfig: the configuration is not usable; exit 78.
var errConfig = errors.New("configuration refused")

const (
	defaultConfigFile = "app.toml"
	defaultListen     = "127.0.0.1:8800"
	defaultCluster    = "default"
	clusterVariable   = "XCONSUMER_CLUSTER_NAME" // XCONSUMER_CLUSTER is what workers are given
)

// runFlags are the flags of run and config check; "" is not given.
type runFlags struct {
	config, cluster, name, http, zookeeper, etcd, join, advertise, secretFile string
}

// settings is the configuration in force: flags over environment over file over defaults.
type settings struct {
	level    *slog.LevelVar // of the log
	uncordon bool           // the node's own cordon or drain is taken back when it joins
	file     string         // "" without
	cluster  string
	name     string // "" for the default, which needs the port
	listen   string // "off" for no HTTP
	explicit bool   // listen was asked for
	named    bool   // cluster was asked for by flag or variable
	// httpInFile: the file has [http].
	httpInFile bool
	advertise  string // host:port, "" if other nodes do not ask this one
	secret     []byte // that they sign their requests with
	warnings   []string
	access     httpAccess
	service    service
	leader     cluster.LeaderPolicy
	moving     cluster.Moving
	labels     cluster.Labels
	weight     int
	capacity   int
	works      []command.Spec
	logBytes   int // of each worker's log that are kept
	tasks      []cluster.TaskSpec
}

// loadSettings reads the configuration. The error matches errConfig and names every mistake.
func loadSettings(flags runFlags, env func(string) string) (settings, error) {
	file, err := findConfigFile(flags.config, env)
	if err != nil {
		return settings{}, err
	}
	f := newConfigFile(file)
	if file != "" {
		if f, err = readConfigFile(file); err != nil {
			return settings{}, err
		}
	}
	c := &f.config
	// override lays environment and flag over what the file says; a mistake in the value is
	// then not looked for in the file.
	override := func(target *string, key, variable, flag string) {
		for _, v := range []string{env(variable), flag} {
			if v != "" {
				*target = v
				delete(f.keys, key)
			}
		}
	}
	override(&c.Cluster, "cluster", clusterVariable, flags.cluster)
	override(&c.Node.Name, "node.name", "XCONSUMER_NODE_NAME", flags.name)
	override(&c.HTTP.Listen, "http.listen", "XCONSUMER_HTTP_LISTEN", flags.http)
	override(&c.HTTP.Advertise, "http.advertise", "XCONSUMER_HTTP_ADVERTISE", flags.advertise)
	override(&c.HTTP.SecretFile, "http.secretFile", "XCONSUMER_HTTP_SECRET_FILE", flags.secretFile)
	override(&c.HTTP.TokensFile, "http.tokensFile", "XCONSUMER_HTTP_TOKENS_FILE", "")
	override(&c.HTTP.TLS.Cert, "http.tls.cert", "XCONSUMER_HTTP_TLS_CERT", "")
	override(&c.HTTP.TLS.Key, "http.tls.key", "XCONSUMER_HTTP_TLS_KEY", "")
	override(&c.HTTP.TLS.ClientCA, "http.tls.clientCA", "XCONSUMER_HTTP_TLS_CLIENT_CA", "")
	if hosts := env("XCONSUMER_HTTP_HOSTS"); hosts != "" {
		c.HTTP.Hosts = strings.Split(hosts, ",")
		delete(f.keys, "http.hosts")
	}
	if proxies := env("XCONSUMER_HTTP_PROXIES"); proxies != "" {
		c.HTTP.Proxies = strings.Split(proxies, ",")
		delete(f.keys, "http.proxies")
	}
	if text := env("XCONSUMER_HTTP_INSECURE"); text != "" {
		if c.HTTP.Insecure, err = strconv.ParseBool(text); err != nil {
			f.errs = append(f.errs, placedError{place{}, fmt.Sprintf("XCONSUMER_HTTP_INSECURE: %q is neither true nor false", text)})
		}
	}
	override(&c.ZooKeeper.Host, "zookeeper.host", "XCONSUMER_ZOOKEEPER_HOST", flags.zookeeper)
	override(&c.ZooKeeper.SessionTimeout, "zookeeper.sessionTimeout", "XCONSUMER_ZOOKEEPER_SESSION_TIMEOUT", "")
	override(&c.ZooKeeper.TickTime, "zookeeper.tickTime", "XCONSUMER_ZOOKEEPER_TICK_TIME", "")
	override(&c.ZooKeeper.Username, "zookeeper.username", "XCONSUMER_ZOOKEEPER_USERNAME", "")
	override(&c.ZooKeeper.Password, "zookeeper.password", "XCONSUMER_ZOOKEEPER_PASSWORD", "")
	override(&c.ZooKeeper.PasswordFile, "zookeeper.passwordFile", "XCONSUMER_ZOOKEEPER_PASSWORD_FILE", "")
	for _, v := range []string{env("XCONSUMER_ETCD_ENDPOINTS"), flags.etcd} {
		if v != "" {
			c.Etcd.Endpoints = strings.Split(v, ",")
			delete(f.keys, "etcd.endpoints")
		}
	}
	override(&c.Etcd.Prefix, "etcd.prefix", "XCONSUMER_ETCD_PREFIX", "")
	override(&c.Etcd.SessionTimeout, "etcd.sessionTimeout", "XCONSUMER_ETCD_SESSION_TIMEOUT", "")
	override(&c.Etcd.Username, "etcd.username", "XCONSUMER_ETCD_USERNAME", "")
	override(&c.Etcd.Password, "etcd.password", "XCONSUMER_ETCD_PASSWORD", "")
	override(&c.Etcd.PasswordFile, "etcd.passwordFile", "XCONSUMER_ETCD_PASSWORD_FILE", "")
	override(&c.Leader.Workers, "leader.workers", "XCONSUMER_LEADER_WORKERS", "")

	s := settings{
		file: file, cluster: c.Cluster, name: c.Node.Name, listen: c.HTTP.Listen,
		explicit: c.HTTP.Listen != "", named: flags.cluster != "" || env(clusterVariable) != "", httpInFile: f.has("http"),
	}
	if s.cluster == "" {
		s.cluster = defaultCluster
	}
	if s.listen == "" {
		s.listen = defaultListen
	}
	s.leader = cluster.LeaderPolicy(c.Leader.Workers)
	f.check("cluster", cluster.ValidateName(s.cluster))
	if s.name != "" {
		f.check("node.name", cluster.ValidateName(s.name))
	}
	f.check("http.listen", validateListen(s.listen))
	f.peers(&s)
	f.access(&s, env)
	if s.leader != "" {
		f.check("leader.workers", s.leader.Validate())
	}
	f.placement(&s)
	s.service = f.service(flags.join, chosenBy(flags, env))
	s.works, s.logBytes = f.works(), f.size("log.keep", c.Log.Keep)
	s.tasks = f.tasks()
	f.privateFiles()
	s.warnings = f.warnings
	return s, f.err()
}

// loadTasks reads the tasks that a file declares, whatever service it names.
func loadTasks(flag string, env func(string) string) (file string, tasks []cluster.TaskSpec, err error) {
	if file, err = findConfigFile(flag, env); err != nil {
		return file, nil, err
	}
	if file == "" {
		return "", nil, fmt.Errorf("%w: there is no %s here; name a file with --file", errUsage, defaultConfigFile)
	}
	f, err := readConfigFile(file)
	if err != nil {
		return file, nil, err
	}
	tasks = f.tasks()
	return file, tasks, f.err()
}

// placement reads what the file says of the node's place in the cluster and of how slots move.
func (f *configFile) placement(s *settings) {
	c := &f.config
	s.labels, s.weight, s.capacity = cluster.Labels(c.Node.Labels), int(c.Node.Weight), int(c.Node.Capacity)
	f.check("node.labels", s.labels.Validate())
	f.zeros("node", "weight", "capacity")
	for _, n := range []struct {
		key         string
		value, most int
	}{{"node.weight", s.weight, cluster.MaxWeight}, {"node.capacity", s.capacity, cluster.MaxWeight * cluster.MaxWorkers}} {
		if n.value < 0 || n.value > n.most {
			f.check(n.key, fmt.Errorf("%d is not between 1 and %d", n.value, n.most))
		}
	}
	f.zeros("moving", "maxMoving")
	s.moving = cluster.Moving{
		MaxMoving: int(c.Moving.MaxMoving), FreezeAbove: c.Moving.FreezeAbove,
		LeaveDelay: cluster.Duration(f.duration("moving.leaveDelay", c.Moving.LeaveDelay)),
		FreezeFor:  cluster.Duration(f.duration("moving.freezeFor", c.Moving.FreezeFor)),
	}
	for _, e := range split(s.moving.Validate()) {
		name, text, _ := strings.Cut(e.Error(), ": ")
		f.check("moving."+name, errors.New(text))
	}
}

// findConfigFile returns the file to read: the one asked for, else app.toml if there is one.
func findConfigFile(flag string, env func(string) string) (string, error) {
	if flag == "" {
		flag = env("XCONSUMER_CONFIG")
	}
	if flag != "" {
		return flag, nil
	}
	_, err := os.Stat(defaultConfigFile)
	switch {
	case err == nil:
		return defaultConfigFile, nil
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	}
	return "", fmt.Errorf("%w: %w", errConfig, err)
}

// check notes a mistake in the value of a key, wherever that came from.
func (f *configFile) check(key string, err error) {
	if f.unread[key] {
		return
	}
	for _, e := range split(err) {
		if _, inFile := f.keys[key]; inFile {
			name := key
			if isNumbered(key) {
				name = lastPart(key)
			}
			f.fail(f.keys[key], name+": "+e.Error())
		} else {
			f.errs = append(f.errs, placedError{place{}, key + ": " + e.Error()})
		}
	}
}

// wrongType reports whether the value of a key could not be read, so that there is nothing to check.
func (f *configFile) wrongType(key string) bool { return f.unread[key] }

// validateListen refuses what cannot be listened on.
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

// nodeName returns the default name of a node: two nodes of one machine differ by their port.
func nodeName(addr string) string {
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
	if name = strings.TrimLeft(name, "-"); name == "" {
		name = "node"
	}
	if _, port, err := net.SplitHostPort(addr); err == nil {
		return name + "-" + port
	}
	return fmt.Sprintf("%s-pid%d-%d", name, os.Getpid(), time.Now().Unix()%100000)
}
