package bus

// A LinkWatcher is told that a PBX, or the way to it, is lost or back. Link is
// called for one change at a time; it must neither block nor call the Client.
type LinkWatcher interface{ Link(up bool) }

// WatchLink tells w each change of the way to the PBX from now on, until stop
// is called; up says how it is now. Neither is to be called by a watcher's
// method.
func (c *Client) WatchLink(pbx string, w LinkWatcher) (stop func(), up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.exchange(pbx)
	x.links[w] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(x.links, w)
	}, x.up
}
