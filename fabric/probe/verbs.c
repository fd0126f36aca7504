#include "fabric/probe/probe.h"

#include <errno.h>

#ifdef PROBE_HAS_VERBS

#include <infiniband/verbs.h>
#include <string.h>

#include "far/cleanup.h"

// A port as its driver sees it.

static void cleanup_device_list(struct ibv_device ***list)
{
	if (*list)
		ibv_free_device_list(*list);
}

static int ask(struct ibv_context *context, unsigned port, struct probe_port *found)
{
	struct ibv_device_attr device;
	struct ibv_port_attr attributes;
	int code = ibv_query_device(context, &device);

	if (code == 0)
		code = ibv_query_port(context, (uint8_t)port, &attributes);
	if (code)
		return -code;
	*found = (struct probe_port){.active_mtu = 128U << attributes.active_mtu, .registrable_max = device.max_mr_size};
	return 0;
}

int probe_port(const char *device, unsigned port, struct probe_port *found)
{
	CLEANUP(device_list) struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context;
	int result;

	for (struct ibv_device **one = list; one && *one; one++) {
		if (strcmp(ibv_get_device_name(*one), device) != 0)
			continue;
		context = ibv_open_device(*one);
		if (!context)
			return errno ? -errno : -EIO;
		result = ask(context, port, found);
		ibv_close_device(context);
		return result;
	}
	return -ENODEV;
}

#else

int probe_port(const char *device, unsigned port, struct probe_port *found)
{
	(void)device;
	(void)port;
	(void)found;
	return -ENOTSUP;
}

#endif
