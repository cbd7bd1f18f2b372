package kube

import (
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"

	"bcc/fault"
)

// members returns the addresses of who is ready. A pod with two addresses is one
// member: IPv4 is taken where there is any.
func members(known map[string]*discoveryv1.EndpointSlice, wanted string) ([]*url.URL, error) {
	found := map[discoveryv1.AddressType][]string{}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		slice := known[name]
		port, any := portOf(slice.Ports, wanted)
		for _, e := range slice.Endpoints {
			if !takes(e.Conditions) || len(e.Addresses) == 0 {
				continue
			}
			if !any {
				return nil, fault.Hint(fault.New(fault.Invalid, "endpoints %s: no port %q", name, wanted), "the service has %s", portNames(slice.Ports))
			}
			// All addresses of one endpoint are alike, the first is to be used.
			found[slice.AddressType] = append(found[slice.AddressType], net.JoinHostPort(e.Addresses[0], port))
		}
	}
	hosts := found[discoveryv1.AddressTypeIPv4]
	if len(hosts) == 0 {
		hosts = found[discoveryv1.AddressTypeIPv6]
	}
	slices.Sort(hosts)
	var urls []*url.URL
	for _, host := range slices.Compact(hosts) { // in the moment of a move it stands in two slices
		urls = append(urls, &url.URL{Scheme: "http", Host: host})
	}
	return urls, nil
}

// takes reports whether an endpoint takes requests. What is not said counts as well.
func takes(c discoveryv1.EndpointConditions) bool {
	return (c.Ready == nil || *c.Ready) && (c.Terminating == nil || !*c.Terminating)
}

// portOf returns the port that is meant.
func portOf(ports []discoveryv1.EndpointPort, wanted string) (port string, ok bool) {
	for _, p := range ports {
		if p.Port == nil || p.Protocol != nil && *p.Protocol != "TCP" {
			continue
		}
		number, name := strconv.Itoa(int(*p.Port)), ""
		if p.Name != nil {
			name = *p.Name
		}
		switch {
		case wanted == name || wanted == number, wanted == "" && (len(ports) == 1 || name == "http"):
			return number, true
		}
	}
	return "", false
}

func portNames(ports []discoveryv1.EndpointPort) string {
	var names []string
	for _, p := range ports {
		if p.Port != nil {
			name := strconv.Itoa(int(*p.Port))
			if p.Name != nil && *p.Name != "" {
				name += " (" + *p.Name + ")"
			}
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
