// A server that says hello and checks whether a site answers over HTTPS, which takes the certificates in its image.
package main

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
)

var version = "dev"

const usage = `usage: server [--version | --authorities]
Serves http on :8080; /check?site=example.com checks whether a site answers.
`

func main() {
	option := ""
	if len(os.Args) > 1 {
		option = os.Args[1]
	}
	switch option {
	case "--version":
		fmt.Println("server", version)
	case "--help":
		fmt.Print(usage)
	case "--authorities":
		authorities, err := x509.SystemCertPool()
		if err != nil {
			fail(err)
		}
		fmt.Println(len(authorities.Subjects()), "authorities")
	default:
		serve()
	}
}

func serve() {
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(answer, "hello from", version)
	})
	http.HandleFunc("/check", func(answer http.ResponseWriter, request *http.Request) {
		found, err := http.Head("https://" + request.URL.Query().Get("site"))
		if err != nil {
			http.Error(answer, err.Error(), http.StatusBadGateway)
			return
		}
		found.Body.Close()
		fmt.Fprintln(answer, found.Status)
	})
	fail(http.ListenAndServe(":8080", nil))
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
