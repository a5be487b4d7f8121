package scale

import (
	"bufio"
	"encoding/json"

	"gitee.com/ken.yang/xconsumer/coord"
	"gitee.com/ken.yang/xconsumer/coord/etcd"
	"gitee.com/ken.yang/xconsumer/coord/zk"
	"gitee.com/ken.yang/xconsumer/test/zkserver"
)

// open opens a store of a service.
func open(name string, addrs []string) (coord.Store, error) {
	if name == "etcd" {
		return etcd.New(etcd.Config{Endpoints: addrs, SessionTimeout: sessionTimeout})
	}
	return zk.New(zk.Config{Servers: addrs, SessionTimeout: sessionTimeout, TickTime: zkserver.Tick})
}

// talk starts the leader's process.
func (f *fleet) talk() error {
	in, err := f.leader.StdinPipe()
	if err != nil {
		return err
	}
	out, err := f.leader.StdoutPipe()
	if err != nil {
		return err
	}
	f.ask, f.answers = in, bufio.NewReader(out)
	if err := f.leader.Start(); err != nil {
		return err
	}
	_, err = f.answers.ReadBytes('\n') // once it leads
	return err
}

// ofLeader returns what the leader's process has counted; nothing once it is gone.
func (f *fleet) ofLeader() (c counts) {
	if f.leader == nil {
		return f.led
	}
	if c, ok := f.request(request{}); ok {
		f.led = c
	}
	return f.led
}

// profileLeader has the leader's process write into a file where its processor time goes, until it is called with "".
func (f *fleet) profileLeader(path string) {
	if f.leader != nil {
		f.request(request{Profile: &path})
	}
}

// request is a line that the leader's process reads. It answers each with its counts.
type request struct {
	Die     bool
	Profile *string `json:",omitempty"` // the file of a profile that begins, "" to end it
}

func (f *fleet) request(r request) (c counts, ok bool) {
	if json.NewEncoder(f.ask).Encode(r) != nil {
		return c, false
	}
	line, err := f.answers.ReadBytes('\n')
	return c, err == nil && json.Unmarshal(line, &c) == nil
}

// close ends everything, without waiting for what is not needed.
func (f *fleet) close() {
	f.kill()
	f.mu.Lock()
	nodes := f.nodes
	f.nodes = map[string]*member{}
	f.mu.Unlock()
	for _, m := range nodes {
		m.store.kill()
		m.stop()
	}
	for _, m := range nodes {
		<-m.done
	}
	_ = f.hand.Close() // the service ends with the measurement
}

// kill ends the leader's process.
func (f *fleet) kill() {
	if f.leader != nil {
		f.ofLeader()
		_ = json.NewEncoder(f.ask).Encode(request{Die: true})
		_ = f.leader.Wait()
		f.leader = nil
	}
}
