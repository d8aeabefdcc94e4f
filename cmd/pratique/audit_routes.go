package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"

	"pratique/configs"
	"pratique/posture"
	"pratique/posture/mta"
)

// routesOf are the ways by which the Postfix in a folder sends, "" for where it usually
// is. Without Postfix there are none.
func routesOf(ctx context.Context, folder string) ([]mta.Route, error) {
	named := folder != ""
	if !named {
		folder, _ = findMTA()
	}
	if folder == "" {
		return nil, nil
	}
	p, err := mta.LoadPostfix(ctx, folder)
	switch {
	case err == nil:
		return p.Routes(), nil
	case named && errors.Is(err, fs.ErrPermission):
		return nil, withPermissionHint(err)
	case named:
		return nil, err
	}
	return nil, nil // the audit of the MTA tells what is wrong with it
}

// auditAddresses are those of the configuration, else those that Postfix is told to
// use and, where a way out is told none, those of the interfaces.
func auditAddresses(s *posture.Subject, cfg *configs.Config, routes []mta.Route) {
	for _, text := range cfg.Egress {
		s.Addresses = append(s.Addresses, netip.MustParseAddr(text).Unmap()) // valid, or it would not have been loaded
	}
	if s.AddressSource = "of the configuration"; len(s.Addresses) > 0 {
		return
	}
	var sources []string
	if s.Addresses = boundOf(routes); len(s.Addresses) > 0 {
		sources = append(sources, "Postfix: smtp_bind_address")
	}
	if free := unbound(routes); len(routes) == 0 || free != nil {
		sources = append(sources, "of the interfaces")
		addrs, err := net.InterfaceAddrs()
		if err != nil {
			s.NoAddress = err.Error()
		}
		for _, addr := range posture.Public(addrs) {
			if free == nil || free.uses(addr) {
				s.Addresses = appendAddress(s.Addresses, addr)
			}
		}
		if len(s.Addresses) == 0 && err == nil {
			s.NoAddress = "the interfaces have private ones only, so a router changes them on the way"
		}
	}
	s.AddressSource = strings.Join(sources, ", ")
}

// protocols are those by which ways out send whose address the system chooses.
type protocols struct{ v4, v6 bool }

func (p *protocols) uses(addr netip.Addr) bool { return addr.Is4() && p.v4 || addr.Is6() && p.v6 }

// unbound returns the protocols of the ways that are bound to no address, nil if all are.
func unbound(routes []mta.Route) *protocols {
	var free protocols
	for _, r := range routes {
		is4 := slices.ContainsFunc(r.Bound, netip.Addr.Is4)
		is6 := slices.ContainsFunc(r.Bound, netip.Addr.Is6)
		free.v4 = free.v4 || r.IPv4 && !is4
		free.v6 = free.v6 || r.IPv6 && !is6
	}
	if free == (protocols{}) {
		return nil
	}
	return &free
}

func boundOf(routes []mta.Route) []netip.Addr {
	var list []netip.Addr
	for _, r := range routes {
		for _, addr := range r.Bound {
			list = appendAddress(list, addr)
		}
	}
	return list
}

func appendAddress(list []netip.Addr, addr netip.Addr) []netip.Addr {
	if slices.Contains(list, addr) {
		return list
	}
	return append(list, addr)
}

// auditHostname is the HELO name: that of the configuration, else Postfix's, else the system's.
func auditHostname(s *posture.Subject, cfg *configs.Config, routes []mta.Route) {
	helo := ""
	if len(routes) > 0 {
		helo = routes[0].Helo
	}
	switch {
	case cfg.Hostname != "":
		s.Hostname, s.HostnameSource = cfg.Hostname, "of the configuration"
	case helo != "":
		s.Hostname, s.HostnameSource = helo, "Postfix: smtp_helo_name"
	default:
		s.Hostname, s.HostnameSource = hostname(cfg), "the system's name"
	}
	s.Hostname = strings.ToLower(strings.TrimSuffix(s.Hostname, "."))
	if cfg.Hostname != "" && helo != "" && helo != s.Hostname {
		s.Notes = append(s.Notes, posture.Finding{Topic: "helo", Subject: s.Hostname, Code: "helo_differs", Status: posture.Info,
			Found: fmt.Sprintf("Postfix says %s in HELO (smtp_helo_name), the configuration has hostname = %q", helo, s.Hostname),
			Means: "what the configuration names is looked at"})
	}
}

// auditRoutes are the ways out where there are several, each with its name and the
// addresses that are known to be its own: behind a router which of the addresses of the
// configuration belongs to which way is not.
func auditRoutes(s *posture.Subject, cfg *configs.Config, routes []mta.Route) {
	if len(routes) < 2 {
		return
	}
	free := slices.DeleteFunc(slices.Clone(s.Addresses), func(a netip.Addr) bool { return slices.Contains(boundOf(routes), a) })
	for i, r := range routes {
		way := posture.Route{Helo: r.Helo, Source: "Postfix: smtp_helo_name of " + r.Service}
		if i == 0 {
			way.Helo, way.Source = s.Hostname, s.HostnameSource
		}
		own := unbound([]mta.Route{r})
		for _, addr := range s.Addresses {
			if slices.Contains(r.Bound, addr) || own != nil && own.uses(addr) && slices.Contains(free, addr) && len(cfg.Egress) == 0 {
				way.Addresses = append(way.Addresses, addr)
			}
		}
		s.Routes = append(s.Routes, way)
	}
}
