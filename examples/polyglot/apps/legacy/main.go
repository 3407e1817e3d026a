// A program that a target of its own compiles.
package main

import "fmt"

func main() { fmt.Println("legacy") }
