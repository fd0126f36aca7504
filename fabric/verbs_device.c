#include "fabric/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "far/log.h"

// The devices of a context, from open to close. A device is opened anew for each context instead of borrowing the connection manager's handle, which all threads of the process share: so
// its asynchronous events are this context's own.

#define SOFT_ROCE 0xffffffU // a vendor's number

// What no attempt is worth: some drivers take it, and fail later.
static bool is_too_much(const struct verbs_device *device, size_t length, char *text, size_t size)
{
	uint64_t most = device->attributes.max_mr_size; // 0: not told

	if (most == 0 || length <= most)
		return false;
	snprintf(text, size, "the device cannot register %zu MiB: it takes at most %llu MiB at once: give far-server a smaller --pool",
	        length >> 20, (unsigned long long)most >> 20);
	return true;
}

// Why memory could not be registered. Locked memory is the limit that users meet.
static void explain(size_t length, int code, char *text, size_t size)
{
	struct rlimit limit = {0};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if ((code == ENOMEM || code == EPERM || code == EAGAIN) && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < (64ULL << 30))
		snprintf(text, size,
		        "the device cannot register %zu MiB: %s: only %llu KiB may be locked (ulimit -l), %zu KiB and some more are "
		        "needed: raise "
		        "memlock in /etc/security/limits.conf or LimitMEMLOCK= of the service",
		        length >> 20, strerror(code), (unsigned long long)limit.rlim_cur >> 10, length >> 10);
	else
		snprintf(text, size, "the device cannot register %zu KiB of memory: %s", length >> 10, strerror(code));
}

struct ibv_mr *verbs_register(struct verbs_device *device, void *base, size_t length, int access, struct fabric_error *error)
{
	char text[sizeof(error->text)];
	struct ibv_mr *mr = NULL;
	int code = ENOMEM;

	if (!is_too_much(device, length, text, sizeof(text))) {
		mr = ibv_reg_mr(device->pd, base, length, access);
		if (mr)
			return mr;
		code = errno;
		explain(length, code, text, sizeof(text));
	}
	if (error)
		memcpy(error->text, text, sizeof(text));
	else
		log_error("rdma: %s", text);
	errno = code;
	return NULL;
}

static struct ibv_context *open_by_name(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context = NULL;

	for (int i = 0; list && list[i] && !context; i++)
		if (strcmp(ibv_get_device_name(list[i]), name) == 0)
			context = ibv_open_device(list[i]);
	if (list)
		ibv_free_device_list(list);
	return context;
}

static int check_port(struct verbs_device *device, uint8_t port, struct fabric_error *error)
{
	struct ibv_port_attr attributes;

	if (ibv_query_device(device->context, &device->attributes) || ibv_query_port(device->context, port, &attributes)) {
		snprintf(error->text, sizeof(error->text), "device %s does not tell what port %u can do", device->name, port);
		return -EIO;
	}
	if (attributes.state != IBV_PORT_ACTIVE) {
		snprintf(error->text, sizeof(error->text),
		        "the link of device %s port %u is down (state %s): check cable, switch and `ibv_devinfo`", device->name, port,
		        ibv_port_state_str(attributes.state));
		return -ENETDOWN;
	}
	device->message_max = attributes.max_msg_sz ? attributes.max_msg_sz : 1U << 20;
	device->has_windows = device->attributes.device_cap_flags & IBV_DEVICE_MEM_WINDOW_TYPE_2B;
	device->has_loose_windows = device->attributes.vendor_id == SOFT_ROCE;
	return 0;
}

static int make_shared(struct verbs_device *device, uint32_t wanted)
{
	struct ibv_srq_init_attr receives = {.attr = {.max_sge = 1}};

	device->receives_max = verbs_depths_receives(&device->attributes, wanted, device->verbs->is_server);
	if (wanted > device->receives_max)
		log_info("rdma: the device limits the receive queue device=%s receives=%u wanted=%u", device->name, device->receives_max,
		        wanted);
	receives.attr.max_wr = device->receives_max;
	device->pd = ibv_alloc_pd(device->context);
	device->completions = ibv_create_comp_channel(device->context);
	if (!device->pd || !device->completions)
		return -errno;
	device->srq = ibv_create_srq(device->pd, &receives);
	if (!device->srq)
		return -errno;
	if (verbs_watch(device->verbs, device->completions->fd, VERBS_WATCH_COMPLETIONS, device))
		return -errno;
	return verbs_watch(device->verbs, device->context->async_fd, VERBS_WATCH_DEVICE, device);
}

static int attach_regions(struct verbs_device *device, struct fabric_error *error)
{
	int result = 0;

	for (struct verbs_region *region = device->verbs->regions; region && !result; region = region->next)
		result = verbs_region_attach(device, region, error);
	return result;
}

static void device_close(struct verbs_device *device)
{
	for (struct verbs_region *region = device->verbs->regions; region; region = region->next)
		verbs_region_detach(device, region);
	verbs_queues_free(device);
	if (device->srq)
		ibv_destroy_srq(device->srq);
	verbs_receives_free(device);
	if (device->completions)
		ibv_destroy_comp_channel(device->completions);
	if (device->pd)
		ibv_dealloc_pd(device->pd);
	if (device->context)
		ibv_close_device(device->context);
	free(device);
}

// Makes the device's queues and registers the regions there are.
static int device_open(
        struct verbs_device *device, const char *name, uint8_t port, const struct fabric_rdma *rdma, struct fabric_error *error)
{
	int result;

	device->context = open_by_name(name);
	if (!device->context) {
		result = errno ? -errno : -ENODEV;
		snprintf(error->text, sizeof(error->text), "cannot open the RDMA device %s: %s", name, strerror(-result));
		return result;
	}
	device->name = ibv_get_device_name(device->context->device);
	result = check_port(device, port, error);
	if (result)
		return result;
	result = make_shared(device, rdma->receives);
	if (result) {
		snprintf(error->text, sizeof(error->text), "device %s refuses its queues: %s: too little locked memory? (ulimit -l)", name,
		        strerror(-result));
		return result;
	}
	return attach_regions(device, error);
}

// What all devices of the context can do.
static void take_caps(struct verbs *verbs)
{
	struct fabric_caps *caps = &verbs->base.caps;

	caps->has_atomics = true;
	caps->are_atomics_coherent = true;
	for (unsigned i = 0; i < VERBS_DEVICES; i++) {
		if (!verbs->devices[i])
			continue;
		caps->has_atomics &= verbs->devices[i]->attributes.atomic_cap != IBV_ATOMIC_NONE;
		caps->are_atomics_coherent &= verbs->devices[i]->attributes.atomic_cap == IBV_ATOMIC_GLOB;
		if (verbs->devices[i]->attributes.vendor_id == SOFT_ROCE)
			caps->wait.spin_max_ns = VERBS_SPIN_SOFT_NS;
	}
	verbs->base.wait.limits = caps->wait;
}

// A place for the device: its own, a free one, or that of one that is broken and serves nobody any more.
static struct verbs_device **find_place(struct verbs *verbs, const char *name)
{
	struct verbs_device **free_place = NULL;

	for (unsigned i = 0; i < VERBS_DEVICES; i++) {
		struct verbs_device **place = &verbs->devices[i];

		if (*place && (*place)->is_broken && (*place)->lane_count == 0) {
			device_close(*place);
			*place = NULL;
		}
		if (*place && strcmp((*place)->name, name) == 0)
			return place;
		if (!*place && !free_place)
			free_place = place;
	}
	return free_place;
}

int verbs_device_get(struct verbs *verbs, const char *name, uint8_t port, const struct fabric_rdma *rdma, struct verbs_device **out,
        struct fabric_error *error)
{
	struct verbs_device **place = find_place(verbs, name);
	struct verbs_device *device;
	int result;

	if (!place) {
		snprintf(error->text, sizeof(error->text), "more than %u RDMA devices: name those to use by device= in the address",
		        VERBS_DEVICES);
		return -ENOSPC;
	}
	*out = *place;
	if (*out)
		return 0;
	device = calloc(1, sizeof(*device));
	if (!device)
		return -ENOMEM;
	device->verbs = verbs;
	device->index = (unsigned)(place - verbs->devices);
	result = device_open(device, name, port, rdma, error);
	if (result) {
		device_close(device);
		return result;
	}
	*place = device;
	*out = device;
	take_caps(verbs);
	log_info("rdma: device opened device=%s port=%u windows=%s atomics=%s", name, port, device->has_windows ? "2B" : "none",
	        device->attributes.atomic_cap == IBV_ATOMIC_NONE ? "none" : "yes");
	return 0;
}

struct verbs_device *verbs_device_find(const struct verbs *verbs, const char *name)
{
	for (unsigned i = 0; i < VERBS_DEVICES; i++)
		if (verbs->devices[i] && !verbs->devices[i]->is_broken && strcmp(verbs->devices[i]->name, name) == 0)
			return verbs->devices[i];
	return NULL;
}

void verbs_devices_close(struct verbs *verbs)
{
	for (unsigned i = 0; i < VERBS_DEVICES; i++) {
		if (verbs->devices[i])
			device_close(verbs->devices[i]);
		verbs->devices[i] = NULL;
	}
}
