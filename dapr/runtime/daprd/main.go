// Command daprd is the Dapr sidecar with the stable components, plus the three that the official release also
// carries and that the `stablecomponents` build tag leaves out.
package main

import (
	"github.com/dapr/components-contrib/bindings"
	"github.com/dapr/components-contrib/bindings/smtp"
	"github.com/dapr/components-contrib/bindings/twilio/sms"
	nr "github.com/dapr/components-contrib/nameresolution"
	"github.com/dapr/components-contrib/nameresolution/sqlite"
	"github.com/dapr/kit/logger"

	"github.com/dapr/dapr/cmd/daprd/app"
	bindingsLoader "github.com/dapr/dapr/pkg/components/bindings"
	nameresolutionLoader "github.com/dapr/dapr/pkg/components/nameresolution"
)

func main() {
	bindingsLoader.DefaultRegistry.RegisterOutputBinding(func(l logger.Logger) bindings.OutputBinding { return smtp.NewSMTP(l) }, "smtp")
	bindingsLoader.DefaultRegistry.RegisterOutputBinding(func(l logger.Logger) bindings.OutputBinding { return sms.NewSMS(l) }, "twilio.sms")
	nameresolutionLoader.DefaultRegistry.RegisterComponent(func(l logger.Logger) nr.Resolver { return sqlite.NewResolver(l) }, "sqlite")
	app.Run()
}
