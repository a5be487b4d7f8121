package config

import (
	"strings"

	"gitee.com/ken.yang/xconsumer/internal/spelling"
)

// fileConfig is app.toml. Durations are text here, so that a mistake in one is told like any
// other, with its place.
type fileConfig struct {
	Cluster string `toml:"cluster"`
	Node    struct {
		Name     string            `toml:"name"`
		Labels   map[string]string `toml:"labels"`
		Weight   int64             `toml:"weight"`
		Capacity int64             `toml:"capacity"`
	} `toml:"node"`
	ZooKeeper zookeeperConfig `toml:"zookeeper"`
	Etcd      etcdConfig      `toml:"etcd"`
	HTTP      struct {
		Listen     string `toml:"listen"`
		Advertise  string `toml:"advertise"`
		SecretFile string `toml:"secretFile"`

		Tokens     []string `toml:"tokens"`
		TokensFile string   `toml:"tokensFile"`
		Hosts      []string `toml:"hosts"`
		Proxies    []string `toml:"proxies"`
		Insecure   bool     `toml:"insecure"`
		TLS        struct {
			Cert       string `toml:"cert"`
			Key        string `toml:"key"`
			ClientCA   string `toml:"clientCA"`
			ClientRole string `toml:"clientRole"`
			CA         string `toml:"ca"`
		} `toml:"tls"`
	} `toml:"http"`
	Leader struct {
		Workers string `toml:"workers"`
	} `toml:"leader"`
	Moving struct {
		MaxMoving   int64   `toml:"maxMoving"`
		LeaveDelay  string  `toml:"leaveDelay"`
		FreezeAbove float64 `toml:"freezeAbove"`
		FreezeFor   string  `toml:"freezeFor"`
	} `toml:"moving"`
	Log struct {
		Keep string `toml:"keep"`
	} `toml:"log"`
	Works []fileWork `toml:"work"`
	Tasks []fileTask `toml:"task"`
}

type fileWork struct {
	Name    string            `toml:"name"`
	Command []string          `toml:"command"`
	Dir     string            `toml:"dir"`
	Env     map[string]string `toml:"env"`
	User    string            `toml:"user"`
}

type zookeeperConfig struct {
	Host           string    `toml:"host"`
	SessionTimeout string    `toml:"sessionTimeout"`
	TickTime       string    `toml:"tickTime"`
	Username       string    `toml:"username"`
	Password       string    `toml:"password"`
	PasswordFile   string    `toml:"passwordFile"`
	TLS            tlsConfig `toml:"tls"`
}

type etcdConfig struct {
	Endpoints      []string  `toml:"endpoints"`
	Prefix         string    `toml:"prefix"`
	SessionTimeout string    `toml:"sessionTimeout"`
	Username       string    `toml:"username"`
	Password       string    `toml:"password"`
	PasswordFile   string    `toml:"passwordFile"`
	TLS            tlsConfig `toml:"tls"`
}

type tlsConfig struct {
	CA         string `toml:"ca"`
	Cert       string `toml:"cert"`
	Key        string `toml:"key"`
	ServerName string `toml:"serverName"`
}

type fileTask struct {
	Name        string `toml:"name"`
	WorkName    string `toml:"workName"`
	WorkerNum   int64  `toml:"workerNum"`
	StopTimeout string `toml:"stopTimeout"`

	Interval       string         `toml:"interval"`
	Params         map[string]any `toml:"params"`
	Require        string         `toml:"require"`
	Prefer         string         `toml:"prefer"`
	Spread         string         `toml:"spread"`
	MaxPerNode     int64          `toml:"maxPerNode"`
	Weight         int64          `toml:"weight"`
	MaxUnavailable int64          `toml:"maxUnavailable"`
	Paused         bool           `toml:"paused"`
	Resize         string         `toml:"resize"`

	Restart struct {
		Backoff    string `toml:"backoff"`
		MaxBackoff string `toml:"maxBackoff"`
		Max        int64  `toml:"max"`
		Elsewhere  int64  `toml:"elsewhere"`
	} `toml:"restart"`
	WhenDisconnected string `toml:"whenDisconnected"`
	Mode             string `toml:"mode"`
	Schedule         string `toml:"schedule"`
	TimeZone         string `toml:"timeZone"`
	Every            string `toml:"every"`
	Phase            string `toml:"phase"`
	Misfire          string `toml:"misfire"`
	Overlap          string `toml:"overlap"`
	MaxAttempts      int64  `toml:"maxAttempts"`
	Timeout          string `toml:"timeout"`
	KeepRuns         int64  `toml:"keepRuns"`
}

// isTable reports whether there are keys below a key.
func isTable(key string) bool {
	for known := range knownKeys {
		if strings.HasPrefix(known, key+".") {
			return true
		}
	}
	return false
}

// knownKeys are all keys of app.toml. Keys are told apart by case, which the decoder does not.
var knownKeys = map[string]bool{
	"cluster": true, "node": true, "node.name": true, "node.labels": true, "node.weight": true, "node.capacity": true,
	"zookeeper": true, "zookeeper.host": true, "zookeeper.sessionTimeout": true, "zookeeper.tickTime": true,
	"zookeeper.username": true, "zookeeper.password": true, "zookeeper.passwordFile": true,
	"zookeeper.tls": true, "zookeeper.tls.ca": true, "zookeeper.tls.cert": true, "zookeeper.tls.key": true, "zookeeper.tls.serverName": true,
	"etcd": true, "etcd.endpoints": true, "etcd.prefix": true, "etcd.sessionTimeout": true,
	"etcd.username": true, "etcd.password": true, "etcd.passwordFile": true,
	"etcd.tls": true, "etcd.tls.ca": true, "etcd.tls.cert": true, "etcd.tls.key": true, "etcd.tls.serverName": true,
	"http": true, "http.listen": true, "http.advertise": true, "http.secretFile": true,
	"http.tokens": true, "http.tokensFile": true, "http.hosts": true, "http.proxies": true, "http.insecure": true,
	"http.tls": true, "http.tls.cert": true, "http.tls.key": true, "http.tls.clientCA": true, "http.tls.clientRole": true, "http.tls.ca": true, "leader": true, "leader.workers": true,
	"work": true, "work.name": true, "work.command": true, "work.dir": true, "work.env": true, "work.user": true,
	"log": true, "log.keep": true,
	"task": true, "task.name": true, "task.workName": true, "task.workerNum": true, "task.stopTimeout": true,
	"task.interval": true, "task.params": true, "task.require": true, "task.prefer": true, "task.spread": true, "task.maxPerNode": true, "task.weight": true,
	"task.maxUnavailable": true, "task.paused": true, "task.resize": true,
	"task.restart": true, "task.restart.backoff": true, "task.restart.maxBackoff": true, "task.restart.max": true, "task.restart.elsewhere": true,
	"task.whenDisconnected": true, "task.mode": true, "task.schedule": true, "task.timeZone": true, "task.every": true, "task.phase": true, "task.misfire": true,
	"task.overlap": true, "task.maxAttempts": true, "task.timeout": true, "task.keepRuns": true,
	"moving": true, "moving.maxMoving": true, "moving.leaveDelay": true, "moving.freezeAbove": true, "moving.freezeFor": true,
}

func cutLast(key string) (above, last string, found bool) {
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		return key[:i], key[i+1:], true
	}
	return "", key, false
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, '.')+1:] }

// nearest returns the known key of the same table that a mistyped one was meant to be, "" if none is near.
func nearest(key string) string {
	above, last, _ := cutLast(key)
	var known []string
	for k := range knownKeys {
		if kAbove, kLast, _ := cutLast(k); kAbove == above {
			known = append(known, kLast)
		}
	}
	return spelling.Nearest(last, known)
}
