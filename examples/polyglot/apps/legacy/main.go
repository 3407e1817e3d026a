// A program that nx-go compiles.
package main

import "fmt"

func main() { fmt.Println("legacy") }
