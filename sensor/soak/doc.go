// Command soak runs the live sensor for a long time among everything that
// goes wrong around it, and judges it from outside: by /proc, by its metrics, by what
// its receivers got and by the kernel's own count of packets. make soak calls it, as
// root; all of it happens in a network namespace that ends with it. It runs the
// sensor once with the shunt and once without, half the time each:
//
//   - the bundled captures and a generated mix go in without end, each time
//     with other hosts and ports (rewrite.go, sender.go);
//   - rules are reloaded, also bad ones, receivers fail and come back, the
//     interface goes down and up (trouble.go);
//   - at the end memory, descriptors, threads and goroutines must be flat, every
//     alert delivered and every packet accounted for (checks.go).
//
// It must never use the sensor's own code to judge the sensor: it reads captures with
// sensor/capture and imports nothing else of it.
package main
