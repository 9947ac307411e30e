// Holds golang.org/x/mod/sumdb/tlog and note to our trees, proofs and checkpoints: JSON on standard input, JSON out.
//
//	GO111MODULE=off GOPATH=/usr/share/gocode go run main.go < cases.json
//
// Debian: apt install golang-go golang-golang-x-mod-dev
package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type cases struct {
	Entries     []string      `json:"entries"`
	Roots       []string      `json:"roots"`
	Inclusion   []inclusion   `json:"inclusion"`
	Consistency []consistency `json:"consistency"`
	Checkpoints []checkpoint  `json:"checkpoints"`
}

type inclusion struct {
	Leaf  string   `json:"leaf"`
	Index int64    `json:"index"`
	Size  int64    `json:"size"`
	Path  []string `json:"path"`
	Root  string   `json:"root"`
}

type consistency struct {
	Old     int64    `json:"old"`
	New     int64    `json:"new"`
	OldRoot string   `json:"old_root"`
	NewRoot string   `json:"new_root"`
	Path    []string `json:"path"`
}

// A checkpoint, and, where Leaf is given, the entry at Index that Path leads from.
type checkpoint struct {
	Vkey   string   `json:"vkey"`
	Origin string   `json:"origin"`
	Note   string   `json:"note"`
	Leaf   string   `json:"leaf"`
	Index  int64    `json:"index"`
	Path   []string `json:"path"`
}

// For each case "" when it holds, or why it does not.
type answers struct {
	Trees       []string `json:"trees"`
	Inclusion   []string `json:"inclusion"`
	Consistency []string `json:"consistency"`
	Checkpoints []string `json:"checkpoints"`
}

func main() {
	var in cases
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		log.Fatal(err)
	}
	out := answers{Trees: trees(in)}
	for _, one := range in.Inclusion {
		out.Inclusion = append(out.Inclusion, said(checkInclusion(one)))
	}
	for _, one := range in.Consistency {
		out.Consistency = append(out.Consistency, said(checkConsistency(one)))
	}
	for _, one := range in.Checkpoints {
		out.Checkpoints = append(out.Checkpoints, said(checkCheckpoint(one)))
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		log.Fatal(err)
	}
}

// The tree of Entries, grown by Go: at every size its root must be the one that we claim.
func trees(in cases) []string {
	stored := []tlog.Hash{}
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for at, index := range indexes {
			found[at] = stored[index]
		}
		return found, nil
	})
	said := []string{}
	for at, encoded := range in.Entries {
		entry, err := hex.DecodeString(encoded)
		if err != nil {
			log.Fatal(err)
		}
		hashes, err := tlog.StoredHashes(int64(at), entry, reader)
		if err != nil {
			log.Fatal(err)
		}
		stored = append(stored, hashes...)
		root, err := tlog.TreeHash(int64(at+1), reader)
		if err != nil {
			log.Fatal(err)
		}
		if got := hex.EncodeToString(root[:]); got != in.Roots[at+1] {
			said = append(said, fmt.Sprintf("root of %d entries is %s", at+1, got))
		} else {
			said = append(said, "")
		}
	}
	return said
}

func checkInclusion(one inclusion) error {
	path, err := hashes(one.Path)
	if err != nil {
		return err
	}
	leaf, err := hash(one.Leaf)
	if err != nil {
		return err
	}
	root, err := hash(one.Root)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(path, one.Size, root, one.Index, leaf)
}

func checkConsistency(one consistency) error {
	path, err := hashes(one.Path)
	if err != nil {
		return err
	}
	oldRoot, err := hash(one.OldRoot)
	if err != nil {
		return err
	}
	newRoot, err := hash(one.NewRoot)
	if err != nil {
		return err
	}
	return tlog.CheckTree(path, one.New, newRoot, one.Old, oldRoot)
}

func checkCheckpoint(one checkpoint) error {
	verifier, err := note.NewVerifier(one.Vkey)
	if err != nil {
		return err
	}
	opened, err := note.Open([]byte(one.Note), note.VerifierList(verifier))
	if err != nil {
		return err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != one.Origin {
		return fmt.Errorf("not a checkpoint of %s", one.Origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return err
	}
	decoded, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil {
		return err
	}
	if one.Leaf == "" {
		return nil
	}
	return checkInclusion(inclusion{
		Leaf: one.Leaf, Index: one.Index, Size: size, Path: one.Path, Root: hex.EncodeToString(decoded),
	})
}

func hashes(encoded []string) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(encoded))
	for at, one := range encoded {
		decoded, err := hash(one)
		if err != nil {
			return nil, err
		}
		found[at] = decoded
	}
	return found, nil
}

func hash(encoded string) (tlog.Hash, error) {
	var found tlog.Hash
	decoded, err := hex.DecodeString(encoded)
	if err != nil {
		return found, err
	}
	if len(decoded) != len(found) {
		return found, fmt.Errorf("a hash of %d bytes", len(decoded))
	}
	copy(found[:], decoded)
	return found, nil
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
