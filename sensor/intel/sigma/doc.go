// Package sigma exchanges rules with Sigma: detections on the logs of
// resolvers, proxies, firewalls and of Zeek. It knows Sigma's selections and
// conditions and nothing of what a name is worth: intel judges that.
package sigma
